"""A library that tries to get at what only its caller may."""

import encodings.idna  # noqa: F401 - sockets look for it when there are no files any more
import os
import socket
from collections.abc import Callable
from pathlib import Path

from wit_world import exports


def connect(place: str) -> str:
    host, _, port = place.partition(":")
    with socket.socket() as made:
        made.connect((host, int(port)))
    return "a connection"


WAYS: dict[str, Callable[[str], object]] = {
    "environment": os.environ.__getitem__,
    "list": lambda place: f"{len(list(Path(place).iterdir()))} entries",
    "read": lambda place: Path(place).read_text(encoding="utf-8"),
    "write": lambda place: Path(place).write_text("written", encoding="utf-8"),
    "connect": connect,
    "resolve": lambda place: socket.getaddrinfo(place, 80),
}


class Spy(exports.Spy):
    def attempt(self, what: str, where: str) -> str:
        try:
            return f"got {WAYS[what](where)}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an answer
            return f"nothing: {error!r}"
