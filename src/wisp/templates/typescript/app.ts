// {{name}}: answers HTTP requests.

import { type Request, Response, serve } from "wisp-guest";

type Greeting = { hello: string };

function greet(request: Request): Greeting {
  return { hello: request.query.get("name", "world") };
}

serve((request) => Response.json(greet(request)));
