// {{name}}: answers HTTP requests.

import { Response, serve } from "wisp-guest";

serve((request) => {
  const name = request.query.get("name", "world");
  return Response.json({ hello: name });
});
