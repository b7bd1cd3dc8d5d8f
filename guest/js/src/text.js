// UTF-8 for engines without TextEncoder and TextDecoder. Both directions have a fast way for ASCII, which most of HTTP is:
// building strings from many code units at once, and testing them with a regular expression, happen inside the engine.

const PIECE = 8192;

/** Encode a string; a lone surrogate becomes U+FFFD, as everywhere on the web. */
export function encode(text) {
  const out = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return encodeRest(text, index, out);
    out[index] = unit;
  }
  return out;
}

function encodeRest(text, start, head) {
  const out = new Uint8Array(start + (text.length - start) * 3);
  out.set(head.subarray(0, start));
  let at = start;
  for (let index = start; index < text.length; index += 1) {
    let point = text.codePointAt(index);
    if (point > 0xffff) index += 1;
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    at = put(out, at, point);
  }
  return out.slice(0, at);
}

function put(out, start, point) {
  let at = start;
  if (point < 0x80) {
    out[at++] = point;
  } else if (point < 0x800) {
    out[at++] = 0xc0 | (point >> 6);
    out[at++] = 0x80 | (point & 0x3f);
  } else if (point < 0x10000) {
    out[at++] = 0xe0 | (point >> 12);
    out[at++] = 0x80 | ((point >> 6) & 0x3f);
    out[at++] = 0x80 | (point & 0x3f);
  } else {
    out[at++] = 0xf0 | (point >> 18);
    out[at++] = 0x80 | ((point >> 12) & 0x3f);
    out[at++] = 0x80 | ((point >> 6) & 0x3f);
    out[at++] = 0x80 | (point & 0x3f);
  }
  return at;
}

/** Decode bytes as Latin-1: one character for each byte. */
export function decodeLatin1(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += PIECE) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + PIECE));
  }
  return text;
}

/** Encode a string of characters up to U+00FF as Latin-1. */
export function encodeLatin1(text) {
  const out = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0xff) throw new TypeError(`a header field cannot hold ${JSON.stringify(text[index])}`);
    out[index] = unit;
  }
  return out;
}

/** Decode UTF-8 strictly: no overlong forms, no surrogates, nothing past U+10FFFF. A byte order mark is kept. */
export function decode(bytes) {
  const latin1 = decodeLatin1(bytes);
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(latin1) ? latin1 : decodeSlowly(bytes);
}

function decodeSlowly(bytes) {
  let text = "";
  let units = [];
  for (let at = 0; at < bytes.length; ) {
    const size = sizeOf(bytes[at]);
    const point = pointAt(bytes, at, size);
    if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    else units.push(point);
    at += size;
    if (units.length >= PIECE) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

function sizeOf(first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  throw new TypeError("not UTF-8");
}

const LOWEST = [0, 0, 0x80, 0x800, 0x10000];

function pointAt(bytes, at, size) {
  if (size === 1) return bytes[at];
  let point = bytes[at] & (0x7f >> size);
  for (let next = 1; next < size; next += 1) {
    const byte = bytes[at + next];
    if (byte === undefined || (byte & 0xc0) !== 0x80) throw new TypeError("not UTF-8");
    point = (point << 6) | (byte & 0x3f);
  }
  if (point < LOWEST[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
    throw new TypeError("not UTF-8");
  }
  return point;
}
