"""{{name}}: answers HTTP requests."""

from wisp_guest.http import Request, Response, serve


@serve
def handle(request: Request) -> Response:
    name = request.query.get("name", "world")
    return Response.json({"hello": name})
