"""The smallest WSGI application there is: what gunicorn serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def application(
    _: Mapping[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> list[bytes]:
    """Greet whoever asks."""
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", "13")])
    return [b"Hello, world!"]
