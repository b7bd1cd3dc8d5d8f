// Between WASI 0.2 and the handler.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from "wasi:http/types@0.2.12";
import { Request } from "./messages.js";
import { log } from "./platform-0.2.js";
import { answer, described, excuse, fieldsOf } from "./serve.js";
import { decodeLatin1, encode, encodeLatin1 } from "./text.js";

const PIECE = 65536n;

function sourceOf(incoming) {
  return {
    method() {
      const method = incoming.method();
      return method.tag === "other" ? method.val : method.tag.toUpperCase();
    },
    target: () => incoming.pathWithQuery() ?? "/",
    headers: () => incoming.headers().entries().map(([name, value]) => [name, decodeLatin1(value)]),
    stream: () => pieces(incoming.consume()),
  };
}

function* pieces(body) {
  const stream = body.stream();
  try {
    for (;;) {
      const piece = stream.blockingRead(PIECE);
      if (piece.length > 0) yield piece;
    }
  } catch (error) {
    if ((error.payload ?? error).tag !== "closed") throw new Error("the request's body broke off");
  } finally {
    stream[Symbol.dispose]?.();
    body[Symbol.dispose]?.();
  }
}

function write(stream, data) {
  for (let at = 0; at < data.length; ) {
    const allowed = Number(stream.checkWrite());
    if (allowed > 0) {
      stream.write(data.subarray(at, at + allowed));
      at += allowed;
    } else {
      const writable = stream.subscribe();
      writable.block();
      writable[Symbol.dispose]?.();
    }
  }
}

async function send(stream, body) {
  if (body instanceof Uint8Array) {
    write(stream, body);
    return;
  }
  for await (const piece of body) {
    write(stream, typeof piece === "string" ? encode(piece) : piece);
    stream.flush();
  }
}

function begin(response, out) {
  if (typeof response.body === "string") response.body = encode(response.body);
  const size = response.body instanceof Uint8Array ? response.body.length : undefined;
  const fields = Fields.fromList(fieldsOf(response, size).map(([name, value]) => [name, encodeLatin1(value)]));
  const outgoing = new OutgoingResponse(fields);
  if (response.status !== 200) outgoing.setStatusCode(response.status);
  const body = outgoing.body();
  ResponseOutparam.set(out, { tag: "ok", val: outgoing });
  return body;
}

export const incomingHandler = {
  async handle(incoming, out) {
    const request = Request.from(sourceOf(incoming));
    let response = await answer(request, log);
    let body;
    try {
      body = begin(response, out);
    } catch (error) {
      response = excuse(error instanceof Error ? error : new TypeError("a header field of the response is not allowed"), request, log);
      body = begin(response, out);
    }
    const stream = body.write();
    try {
      await send(stream, response.body);
    } catch (error) {
      log(described(error));
      stream[Symbol.dispose]?.();
      body[Symbol.dispose]?.();
      return;
    }
    stream[Symbol.dispose]?.();
    OutgoingBody.finish(body, undefined);
  },
};
