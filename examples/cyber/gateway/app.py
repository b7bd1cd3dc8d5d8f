"""The way into the cyber system: JSON over HTTP on one side, a typed interface on the other."""

from collections.abc import Mapping

from componentize_py_types import Err
from wisp_guest.http import Problem, Request, Response, serve
from wit_world.imports import data_processor

HIGHEST = 2**32 - 1


@serve
def process(request: Request) -> Response:
    packet = read(request)
    try:
        done = data_processor.process(packet)
    except Err as error:
        raise refusal(error.value) from None
    return Response.json({"id": done.id, "status": done.status, "verification_hash": done.verification_hash})


def read(request: Request) -> data_processor.Packet:
    body = request.json()
    if not isinstance(body, Mapping):
        raise Problem(400, "the body must be a JSON object", field="body")
    level = body.get("encryption_level")
    if not isinstance(level, int) or isinstance(level, bool) or not 0 <= level <= HIGHEST:
        raise Problem(
            400, f"encryption_level must be an integer from 0 to {HIGHEST}", field="encryption_level"
        )
    return data_processor.Packet(text(body, "id"), text(body, "payload"), level)


def text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if isinstance(value, str):
        return value
    raise Problem(400, f"{name} must be a string", field=name)


def refusal(error: object) -> Problem:
    match error:
        case data_processor.ProcessError_EmptyPayload():
            return Problem(422, "there is nothing to process", field="payload")
        case data_processor.ProcessError_LevelTooHigh(highest):
            return Problem(422, f"the highest level is {highest}", field="encryption_level")
    raise TypeError(error)
