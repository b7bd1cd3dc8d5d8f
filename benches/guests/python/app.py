"""The smallest service in Python: what is measured is what lies around it."""

from wisp_guest.http import Request, Response, serve


@serve
def handle(_: Request) -> Response:
    """Greet."""
    return Response.text("Hello, world!")
