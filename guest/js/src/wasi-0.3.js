// Between WASI 0.3 and the handler. The engine makes a stream of any iterable that is passed where the interface wants a
// stream; futures have to be made by the name of their type, which depends on the world (wit/http-0.3).

import types from "wasi:http/types@0.3.0";
import { Request } from "./messages.js";
import { answer, described, excuse, fieldsOf } from "./serve.js";
import { decodeLatin1, encode, encodeLatin1 } from "./text.js";
import { flushed, log, unflushed } from "./platform-0.3.js";

const OK = { tag: "ok", val: null };
const BROKEN = { tag: "err", val: { tag: "internal-error", val: null } };
const NOTHING = new Uint8Array();

function sourceOf(incoming) {
  return {
    method() {
      const method = incoming.getMethod();
      return method.tag === "other" ? method.val : method.tag.toUpperCase();
    },
    target: () => incoming.getPathWithQuery() ?? "/",
    headers: () => incoming.getHeaders().copyAll().map(([name, value]) => [name, decodeLatin1(value)]),
    stream() {
      const { readable } = wit.Future.from(OK, wit.Future.RESULT_VOID_WASI_HTTP_TYPES_0_3_0_ERROR_CODE);
      const [stream] = types.Request.consumeBody(incoming, readable);
      return stream;
    },
  };
}

function bytesOf(piece) {
  return typeof piece === "string" ? encode(piece) : piece;
}

async function* pieces(body, ended) {
  try {
    for await (const piece of body) {
      const bytes = bytesOf(piece);
      if (bytes.length > 0) yield bytes;
    }
    ended(OK);
  } catch (error) {
    log(described(error));
    ended(BROKEN);
  }
}

function contentsOf(body) {
  if (typeof body === "string" || body instanceof Uint8Array) {
    const bytes = bytesOf(body);
    return [bytes.length === 0 ? null : [bytes], OK, bytes.length];
  }
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  return [pieces(body, ended), end];
}

function outgoing(response) {
  const [contents, end, size] = contentsOf(response.body ?? NOTHING);
  const fields = types.Fields.fromList(fieldsOf(response, size).map(([name, value]) => [name, encodeLatin1(value)]));
  const trailers = wit.Future.from(end, wit.Future.RESULT_OPTION_OTHER_ERROR_CODE);
  const [made] = types.Response.new(fields, contents, trailers.readable);
  if (response.status !== 200) made.setStatusCode(response.status);
  return made;
}

export const handler = {
  async handle(incoming) {
    const request = Request.from(sourceOf(incoming));
    const response = await answer(request, log);
    let made;
    try {
      made = outgoing(response);
    } catch (error) {
      const refused = error instanceof Error ? error : new TypeError("a header field of the response is not allowed");
      made = outgoing(excuse(refused, request, log));
    }
    if (unflushed()) await flushed();
    return made;
  },
};
