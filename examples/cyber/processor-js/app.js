// The processor of the cyber system, in JavaScript.

import texts from "cyber:text/format@0.1.0";

const FACTOR = 0xbeef;
const HIGHEST = 1_000_000;

export const dataProcessor = {
  process({ id, payload, encryptionLevel: level }) {
    if (payload === "") throw { tag: "empty-payload" };
    if (level > HIGHEST) throw { tag: "level-too-high", val: HIGHEST };
    const status = texts.status({ id, size: size(payload), level });
    return { id, status, verificationHash: `0x${(level * FACTOR).toString(16)}` };
  },
};

/** The number of bytes in UTF-8: the engine has no TextEncoder. */
function size(text) {
  let bytes = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
