// The handler of a component, and what stands between it and the host.

import { Problem, Response } from "./messages.js";

let served;

/** Make this function the one that answers the component's requests; returns it as it is. */
export function serve(handler) {
  if (typeof handler !== "function") throw new TypeError("serve takes the function that answers requests");
  if (served !== undefined) throw new TypeError("a component has one handler; serve was called twice");
  served = handler;
  return handler;
}

/** Called when all modules have been evaluated. */
export function requireHandler() {
  if (served === undefined) throw new TypeError('the component has no handler: call serve(handler) of "wisp-guest"');
}

/** Call the handler, and give a response whatever it does. `log` takes a line of text. */
export async function answer(request, log) {
  try {
    const response = await served(request);
    if (response instanceof Response) return response;
    throw new TypeError(`a handler returns a Response, not ${response === null ? "null" : typeof response}`);
  } catch (error) {
    return excuse(error, request, log);
  }
}

/** The answer for an exception; a bug is logged, and the client learns nothing of it. */
export function excuse(error, request, log) {
  if (error instanceof Problem) return Response.problem(error.status, error.message, error.extra);
  log(described(error));
  return Response.problem(500, "the service failed", request.id === undefined ? {} : { request_id: request.id });
}

/** An exception as text: message and stack. */
export function described(error) {
  if (!(error instanceof Error)) return `uncaught: ${typeof error === "object" ? JSON.stringify(error) : String(error)}`;
  const head = `${error.name}: ${error.message}`;
  const stack = error.stack ?? "";
  return (stack.startsWith(head) ? stack : `${head}\n${stack}`).trimEnd();
}

/** A response's header fields, with the body's size when it is known, and the status has a body. */
export function fieldsOf(response, size) {
  const fields = [...response.headers];
  if (size === undefined || response.status === 204 || response.status === 304) return fields;
  return response.headers.has("content-length") ? fields : [...fields, ["content-length", String(size)]];
}
