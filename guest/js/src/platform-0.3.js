// What QuickJS lacks, from WASI 0.3. Imported for its effects before anything of the user's.

import cli from "wasi:cli/environment@0.3.0";
import clock from "wasi:clocks/monotonic-clock@0.3.0";
import random from "wasi:random/random@0.3.0";
import stderr from "wasi:cli/stderr@0.3.0";
import stdout from "wasi:cli/stdout@0.3.0";
import { decode, encode } from "./text.js";

/** The environment variables that the manifest gives to the component. */
export function environment() {
  return Object.fromEntries(cli.getEnvironment());
}

const writing = new Set();

function write(stream, text) {
  const written = stream.writeViaStream([encode(`${text}\n`)]).read().catch(() => undefined);
  writing.add(written);
  written.then(() => writing.delete(written));
}

/** Write a line to the log. */
export function log(text) {
  write(stderr, text);
}

/** Whether a line has not left yet. */
export function unflushed() {
  return writing.size > 0;
}

/** Wait until all lines have left: an instance may end with its response. */
export async function flushed() {
  while (writing.size > 0) await Promise.all(writing);
}

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}` : String(value);
  try {
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  } catch {
    return String(value);
  }
}

function printer(stream) {
  return (...values) => write(stream, values.map(shown).join(" "));
}

const timers = new Map();
let nextTimer = 1;

function setTimeout(callback, milliseconds = 0, ...values) {
  const id = nextTimer++;
  const waited = clock.waitFor(Math.max(Math.round(Number(milliseconds) * 1e6) || 0, 0));
  timers.set(id, callback);
  Promise.resolve(waited).then(() => {
    if (timers.delete(id)) callback(...values);
  });
  return id;
}

class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return encode(String(text));
  }
}

class TextDecoder {
  #options;

  constructor(label = "utf-8", options = {}) {
    if (!["utf-8", "utf8"].includes(String(label).toLowerCase())) throw new RangeError(`unknown encoding ${label}`);
    this.#options = options;
  }

  get encoding() {
    return "utf-8";
  }

  decode(bytes = new Uint8Array()) {
    const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = this.#options.fatal ? decode(view) : lenient(view);
    return this.#options.ignoreBOM ? text : text.replace(/^\ufeff/, "");
  }
}

function lenient(bytes) {
  try {
    return decode(bytes);
  } catch {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const size = [1, 2, 3, 4].find((length) => whole(bytes, at, length)) ?? 0;
      text += size === 0 ? "\ufffd" : decode(bytes.subarray(at, at + size));
      at += size || 1;
    }
    return text;
  }
}

function whole(bytes, at, length) {
  try {
    decode(bytes.subarray(at, at + length));
    return at + length <= bytes.length;
  } catch {
    return false;
  }
}

const crypto = {
  getRandomValues(array) {
    const bytes = random.getRandomBytes(array.byteLength);
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes);
    return array;
  },
  randomUUID() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};

// The engine's own generator was seeded when the component was built: every instance would draw the same numbers.
function freshRandom() {
  const words = new Uint32Array(crypto.getRandomValues(new Uint8Array(8)).buffer);
  return ((words[0] >>> 5) * 67108864 + (words[1] >>> 6)) / 9007199254740992;
}

Object.assign(globalThis, {
  TextDecoder,
  TextEncoder,
  clearTimeout: (id) => void timers.delete(id),
  console: {
    debug: printer(stdout),
    error: printer(stderr),
    info: printer(stdout),
    log: printer(stdout),
    trace: printer(stderr),
    warn: printer(stderr),
  },
  crypto,
  setTimeout,
});
Math.random = freshRandom;
