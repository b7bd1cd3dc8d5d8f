// The cyber service in JavaScript.

import { Problem, Response, serve } from "wisp-guest";

const FACTOR = 0xbeef;
const HIGHEST = 2 ** 32 - 1;

serve(async function process(request) {
  const packet = await request.json();
  if (packet === null || typeof packet !== "object" || Array.isArray(packet)) {
    throw new Problem(400, "the body must be a JSON object", { field: "body" });
  }
  const id = text(packet, "id");
  text(packet, "payload");
  // Below 2 ** 53, so a number is exact; the operators for 32 bits would not be.
  const hash = `0x${(level(packet) * FACTOR).toString(16)}`;
  return Response.json({ id, status: "SECURE_VERIFIED", verification_hash: hash });
});

function text(packet, name) {
  const value = field(packet, name);
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw new Problem(400, `${name} must be a string`, { field: name });
  }
  return value;
}

function level(packet) {
  const name = "encryption_level";
  const value = field(packet, name);
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST) {
    throw new Problem(400, `${name} must be an integer from 0 to ${HIGHEST}`, { field: name });
  }
  return value;
}

function field(packet, name) {
  if (!Object.hasOwn(packet, name)) throw new Problem(400, `${name} is missing`, { field: name });
  return packet[name];
}
