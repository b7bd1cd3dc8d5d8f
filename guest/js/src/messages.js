// What a handler is given, and what it returns. Where a request's parts come from is a source: inside a component that is
// one of the wasi-*.js files, in a test it is what `new Request(...)` was given.

import { Headers, Parameters, parseQuery, percentDecoded } from "./multimap.js";
import { decode, encode } from "./text.js";

const TITLES = {
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
  412: "Precondition Failed", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
  428: "Precondition Required", 429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

/** Throw it in a handler: the client gets the status and a JSON body that says what is wrong (RFC 9457). */
export class Problem extends Error {
  constructor(status, detail, extra = {}) {
    super(detail);
    this.status = status;
    this.extra = extra;
  }

  /** The problem object's members, the standard ones first. */
  members() {
    const title = TITLES[this.status] ?? "Error";
    return { type: "about:blank", title, status: this.status, detail: this.message, ...this.extra };
  }
}

function given(method, target, { headers = [], body = new Uint8Array() }) {
  return {
    method: () => method,
    target: () => target,
    headers: () => [...new Headers(headers)],
    stream: () => [typeof body === "string" ? encode(body) : body],
  };
}

/** One HTTP request. */
export class Request {
  #source;
  #parts = {};
  #whole;
  #stream;

  constructor(method = "GET", target = "/", init = {}) {
    this.#source = typeof method === "string" ? given(method, target, init) : method;
  }

  /** Make a request whose parts come from elsewhere; each is asked for at most once. */
  static from(source) {
    return new Request(source, "", undefined);
  }

  #part(name, make) {
    return (this.#parts[name] ??= make());
  }

  /** The method in capitals. */
  get method() {
    return this.#part("method", () => this.#source.method());
  }

  /** Path and query as they were sent. */
  get target() {
    return this.#part("target", () => this.#source.target());
  }

  /** The path, percent-decoded. */
  get path() {
    return this.#part("path", () => percentDecoded(this.target.split("?", 1)[0]));
  }

  /** The query's parameters, decoded. */
  get query() {
    return this.#part("query", () => {
      const at = this.target.indexOf("?");
      return parseQuery(at < 0 ? "" : this.target.slice(at + 1));
    });
  }

  /** The header fields. */
  get headers() {
    return this.#part("headers", () => new Headers(this.#source.headers()));
  }

  /** The parameters of the route: for `/users/:id`, `parameters.get("id")`; decoded. */
  get parameters() {
    return this.#part("parameters", () => {
      const prefix = "wisp-param-";
      const named = [...this.headers].filter(([name]) => name.startsWith(prefix));
      return new Parameters(named.map(([name, value]) => [name.slice(prefix.length), percentDecoded(value)]));
    });
  }

  /** What the `...` of a route stands for, decoded. */
  get pathInfo() {
    const found = this.headers.get("wisp-path-info");
    return found === undefined ? undefined : percentDecoded(found);
  }

  /** The client's IP address; a client cannot forge it. */
  get clientAddress() {
    return this.headers.get("wisp-client-address");
  }

  /** The request's id, which the host's log lines also have. */
  get id() {
    return this.headers.get("x-request-id");
  }

  /** The body piece by piece, as it arrives: `for await (const piece of request.body)`; once. */
  get body() {
    if (this.#whole !== undefined) throw new TypeError("the body has been read already");
    return (this.#stream ??= this.#source.stream());
  }

  /** The whole body. */
  bytes() {
    if (this.#whole === undefined) {
      const stream = this.body;
      this.#whole = joined(stream);
    }
    return this.#whole;
  }

  /** The whole body as text; a 400 problem when it is not UTF-8. */
  async text() {
    const bytes = await this.bytes();
    try {
      return decode(bytes);
    } catch {
      throw new Problem(400, "the body is not UTF-8", { field: "body" });
    }
  }

  /** The body's JSON value; a 400 problem when it is not UTF-8 or not JSON. */
  async json() {
    const text = await this.text();
    try {
      refuseDeep(text);
      return JSON.parse(text);
    } catch {
      throw new Problem(400, "the body is not JSON", { field: "body" });
    }
  }
}

// Levels of JSON: the parser recurses on the stack of WebAssembly, which ends the instance when it is used up; a host with
// the usual 512 KiB of it bears twice as many.
const DEEPEST = 400;

// What is left after as many rounds, or does not get shorter, is too deep or has brackets that do not match.
function refuseDeep(text) {
  if (!mayBeDeep(text)) return;
  let left = text.replace(/"[^"\\]*(?:\\[^][^"\\]*)*"|[^[\]{}"]+/g, "");
  for (let round = 0, size = -1; round < DEEPEST && left.length !== size; round += 1) {
    size = left.length;
    left = left.replaceAll("[]", "").replaceAll("{}", "");
  }
  if (left !== "") throw new SyntaxError("nested too deeply");
}

function mayBeDeep(text) {
  let count = 0;
  for (const bracket of "[{") {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > DEEPEST) return true;
    }
  }
  return false;
}

async function joined(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  if (pieces.length === 1) return pieces[0];
  const out = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** One HTTP response. The body: text, bytes, or an iterable of them, also an asynchronous one: each piece is sent at once. */
export class Response {
  constructor(body = "", { status = 200, headers = [] } = {}) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a response cannot have status ${status}`);
    }
    this.status = status;
    this.headers = new Headers(headers);
    this.body = body ?? "";
    if (this.body !== "" && !this.headers.has("content-type")) {
      this.headers.set("content-type", typeof body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream");
    }
  }

  /** A response from anything that `JSON.stringify` takes. */
  static json(value, { status = 200, headers = [] } = {}) {
    return typed("application/json", JSON.stringify(value), status, headers);
  }

  /** A plain-text response. */
  static text(text, { status = 200, headers = [] } = {}) {
    return typed("text/plain; charset=utf-8", text, status, headers);
  }

  /** A page. */
  static html(text, { status = 200, headers = [] } = {}) {
    return typed("text/html; charset=utf-8", text, status, headers);
  }

  /** An error answer: problem details (RFC 9457) with more members as wanted. */
  static problem(status, detail, extra = {}) {
    const members = new Problem(status, detail, extra).members();
    return typed("application/problem+json", JSON.stringify(members), status, []);
  }
}

function typed(kind, text, status, headers) {
  const response = new Response("", { status, headers });
  response.body = text;
  if (!response.headers.has("content-type")) response.headers.append("content-type", kind);
  return response;
}
