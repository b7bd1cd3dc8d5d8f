// What the platform gives in WASI 0.2, where the engine has the usual globals itself.

import { getEnvironment } from "wasi:cli/environment@0.2.12";

/** The environment variables that the manifest gives to the component. */
export function environment() {
  return Object.fromEntries(getEnvironment());
}

/** Write a line to the log. */
export function log(text) {
  console.error(text);
}
