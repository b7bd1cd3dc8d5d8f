"""The cyber service in Python."""

from collections.abc import Mapping

from wisp_guest.http import Problem, Request, Response, serve

FACTOR = 0xBEEF
HIGHEST = 2**32 - 1


@serve
def process(request: Request) -> Response:
    # Numbers are read as floating-point numbers, as JSON of JavaScript does: so all five languages agree on 7.0 and 1e400.
    packet = request.json(parse_int=float)
    if not isinstance(packet, Mapping):
        raise Problem(400, "the body must be a JSON object", field="body")
    identity = text(packet, "id")
    text(packet, "payload")
    answer = {"id": identity, "status": "SECURE_VERIFIED", "verification_hash": hex(level(packet) * FACTOR)}
    return Response.json(answer)


def text(packet: Mapping[str, object], name: str) -> str:
    value = field(packet, name)
    if isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value):
        return value
    raise Problem(400, f"{name} must be a string", field=name)


def level(packet: Mapping[str, object]) -> int:
    value = field(packet, "encryption_level")
    if isinstance(value, float) and value.is_integer() and 0 <= value <= HIGHEST:
        return int(value)
    raise Problem(400, f"encryption_level must be an integer from 0 to {HIGHEST}", field="encryption_level")


def field(packet: Mapping[str, object], name: str) -> object:
    if name in packet:
        return packet[name]
    raise Problem(400, f"{name} is missing", field=name)
