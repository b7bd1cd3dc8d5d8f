/** What a JavaScript or TypeScript component of wisp imports. */
declare module "wisp-guest" {
  type Pairs = Iterable<readonly [string, string]> | Record<string, string>;
  type Piece = Uint8Array | string;
  /** A whole body, or one that is sent piece by piece, each piece at once. */
  type Body = Piece | Iterable<Piece> | AsyncIterable<Piece>;
  type Init = { status?: number; headers?: Pairs };
  type Handler = (request: Request) => Response | Promise<Response>;

  /** Names with one or more values each, in the order in which they came. */
  export class Parameters {
    constructor(pairs?: Pairs);
    get(name: string): string | undefined;
    get(name: string, fallback: string): string;
    getAll(name: string): string[];
    has(name: string): boolean;
    set(name: string, value: string): void;
    append(name: string, value: string): void;
    delete(name: string): void;
    [Symbol.iterator](): IterableIterator<[string, string]>;
  }

  /** Header fields: the case of a name does not matter. */
  export class Headers extends Parameters {}

  /** Throw it in a handler: the client gets the status and a JSON body that says what is wrong (RFC 9457). */
  export class Problem extends Error {
    constructor(status: number, detail: string, extra?: Record<string, unknown>);
    readonly status: number;
    readonly extra: Record<string, unknown>;
  }

  /** One HTTP request. */
  export class Request {
    /** Made by hand only in tests. */
    constructor(method?: string, target?: string, init?: { headers?: Pairs; body?: Piece });
    /** The method in capitals. */
    readonly method: string;
    /** Path and query as they were sent. */
    readonly target: string;
    /** The path, percent-decoded. */
    readonly path: string;
    /** The query's parameters, decoded. */
    readonly query: Parameters;
    readonly headers: Headers;
    /** The parameters of the route: for `/users/:id`, `parameters.get("id")`. */
    readonly parameters: Parameters;
    /** What the `...` of a route stands for. */
    readonly pathInfo: string | undefined;
    /** The client's IP address; a client cannot forge it. */
    readonly clientAddress: string | undefined;
    /** The request's id, which the host's log lines also have. */
    readonly id: string | undefined;
    /** The body piece by piece, as it arrives; once. */
    readonly body: AsyncIterable<Uint8Array>;
    /** The whole body. */
    bytes(): Promise<Uint8Array>;
    /** The whole body as text; a 400 problem when it is not UTF-8. */
    text(): Promise<string>;
    /** The body's JSON value; a 400 problem when it is not UTF-8 or not JSON. */
    json(): Promise<any>;
  }

  /** One HTTP response. */
  export class Response {
    constructor(body?: Body | null, init?: Init);
    status: number;
    headers: Headers;
    body: Body;
    static json(value: unknown, init?: Init): Response;
    static text(text: string, init?: Init): Response;
    static html(text: string, init?: Init): Response;
    /** An error answer: problem details (RFC 9457) with more members as wanted. */
    static problem(status: number, detail: string, extra?: Record<string, unknown>): Response;
  }

  /** Make this function the one that answers the component's requests. */
  export function serve<H extends Handler>(handler: H): H;

  /** The environment variables that the manifest gives to the component. */
  export function environment(): Record<string, string>;
}
