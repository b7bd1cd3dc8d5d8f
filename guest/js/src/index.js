// "wisp-guest": what a JavaScript or TypeScript component imports.

export { Headers, Parameters } from "./multimap.js";
export { Problem, Request, Response } from "./messages.js";
export { serve } from "./serve.js";
export { environment } from "wisp-guest/platform";
