"""Counts visits in Python. `wisp_guest.keyvalue` is all it takes: the builder sees the import."""

from wisp_guest import keyvalue
from wisp_guest.http import Request, Response, serve

visits = keyvalue.open("visits")


@serve
def handle(request: Request) -> Response:
    return Response.json({"language": "python", "visits": visits.increment("all")})
