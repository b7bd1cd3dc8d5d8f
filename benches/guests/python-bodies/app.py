"""A service that waits for the whole body of its request: one that a slow client keeps waiting holds an instance."""

from wisp_guest.http import Request, Response, serve


@serve
def handle(request: Request) -> Response:
    """Answer `/up` with the length of the body, and greet otherwise."""
    if request.path == "/up":
        return Response.text(str(len(request.body)))
    return Response.text("Hello, world!")
