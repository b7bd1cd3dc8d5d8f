"""HTTP services: a handler gets a `Request` and returns a `Response`.

    from wisp_guest.http import Request, Response, serve

    @serve
    def handle(request: Request) -> Response:
        return Response.json({"hello": request.query.get("name", "world")})

The handler is an ordinary function, so a test calls it: `handle(Request("GET", "/?name=you"))`. It may be a coroutine
function (`async def`); then `asyncio` works inside of it: tasks, timers, queues.

Bodies are read and written whole unless asked otherwise: `Request.stream()` reads piece by piece, and a `Response` whose
body is an iterator of bytes is sent piece by piece, each at once.
"""

from wisp_guest._multimap import Headers, Parameters
from wisp_guest._problem import Problem
from wisp_guest._request import Request, RequestBody
from wisp_guest._response import Body, Response
from wisp_guest._serve import Handler, serve

__all__ = [
    "Body",
    "Handler",
    "Headers",
    "Parameters",
    "Problem",
    "Request",
    "RequestBody",
    "Response",
    "serve",
]
