// Counts visits in JavaScript. The interfaces are modules by their names in the WIT of the folder `wit`, where `wisp wit add
// wasi:keyvalue` put the package.

import { increment } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { Response, serve } from "wisp-guest";

serve(() => Response.json({ language: "javascript", visits: increment(open("visits"), "all", 1) }));
