"""What the builder's generated entry module calls: from a user's module to the class that the component exports."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from wisp_guest import _late, _serve
from wisp_guest._handlers import is_async

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from wit_world.imports.wasi_http_types import IncomingRequest, ResponseOutparam


def handler_class(module: ModuleType) -> type:
    """Return the class that exports the module's handler.

    A module may bring a class `IncomingHandler` of its own instead, as componentize-py's documentation shows it.

    Raises:
        TypeError: the module has neither.

    """
    handler = _serve.served()
    if handler is None:
        own = getattr(module, "IncomingHandler", None)
        if isinstance(own, type):
            return own
        message = f"module {module.__name__} has no handler: decorate a function with @wisp_guest.http.serve"
        raise TypeError(message)
    return _asynchronous(handler) if is_async(handler) else _synchronous(handler)


def run_class(module: ModuleType) -> type:
    """Return the class that exports the module's handler of runs.

    Raises:
        TypeError: it has none.

    """
    from wisp_guest import _runs  # noqa: PLC0415 - most components do not run by the clock

    return _runs.handler_class(module)


def taker_class(module: ModuleType) -> type:
    """Return the class that exports the module's handler of messages.

    Raises:
        TypeError: it has none.

    """
    from wisp_guest import _takes  # noqa: PLC0415 - most components take no messages

    return _takes.consumer_class(module)


def _synchronous(handler: object) -> type:
    from wisp_guest import _wasi  # noqa: PLC0415 - a component that answers no requests has not what it imports

    class IncomingHandler:
        """The export of the component."""

        def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
            """Answer one request."""
            _wasi.respond(handler, request, response_out)  # type: ignore[arg-type]

    return IncomingHandler


def _asynchronous(handler: object) -> type:
    # Only here: asyncio makes a component three megabytes larger.
    from wisp_guest import _wasi  # noqa: PLC0415
    from wisp_guest._loop import Loop  # noqa: PLC0415

    loop = Loop()

    class IncomingHandler:
        """The export of the component."""

        def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
            """Answer one request."""
            _wasi.respond_in(loop, handler, request, response_out)  # type: ignore[arg-type]

    return IncomingHandler


def settle(folders: Sequence[str], late: Mapping[str, Sequence[str]]) -> None:
    """Make the interpreter ready for its snapshot.

    Args:
        folders: Where the project's modules come from.
        late: For each of its files, the modules that it imports inside of functions.

    """
    _late.preload(late)
    for folder in folders:
        _serve.remember_sources(folder)
    if "socket" in sys.modules:
        importlib.import_module("encodings.idna")  # Every name of a host goes through it.
    _late.freeze()
