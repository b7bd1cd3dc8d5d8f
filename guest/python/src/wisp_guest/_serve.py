"""The handler of a component, and what stands between it and the host: problems, bugs and their tracebacks."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from wisp_guest._handlers import name_of
from wisp_guest._problem import Problem
from wisp_guest._request import Request
from wisp_guest._response import Response

Handler: TypeAlias = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]
"""What `serve` decorates: a function, or a coroutine function."""

Decorated = TypeVar("Decorated", bound=Handler)

_served: list[Handler] = []


def serve(handler: Decorated) -> Decorated:
    """Make this function the one that answers the component's requests; it stays callable as it is.

    A component has one. An exception that leaves it is logged with its traceback and answered with 500, except
    `Problem`, which is answered as it says.
    """
    if _served:
        message = f"a component has one handler; {name_of(_served[0])} is served already, {name_of(handler)} cannot be"
        raise TypeError(message)
    _served.append(handler)
    return handler


def served() -> Handler | None:
    """Return the handler, when there is one."""
    return _served[0] if _served else None


def answer(handler: Callable[[Request], Response], request: Request) -> Response:
    """Call a handler, and give a response whatever it does."""
    try:
        return checked(handler(request))
    except BaseException as error:  # noqa: BLE001 - nothing that a handler raises may end the instance
        return excuse(error, request)


async def answer_async(handler: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Await a handler, and give a response whatever it does."""
    try:
        return checked(await handler(request))
    except BaseException as error:  # noqa: BLE001 - nothing that a handler raises may end the instance
        return excuse(error, request)


def checked(response: object) -> Response:
    """Return what a handler returned, if it is a response."""
    if isinstance(response, Response):
        return response
    message = f"a handler returns a Response, not {type(response).__name__}"
    raise TypeError(message)


def excuse(error: BaseException, request: Request) -> Response:
    """Return the answer for an exception; a bug is logged, and the client learns nothing of it."""
    if isinstance(error, Problem):
        return Response.problem(error.status, error.detail, **error.extra)
    log(error)
    return Response.problem(500, "the service failed", **({"request_id": request.id} if request.id else {}))


def log(error: BaseException) -> None:
    """Print a traceback to the standard error stream, with the files named as the project names them."""
    lines = "".join(traceback.format_exception(error))
    for folder in _folders:
        lines = lines.replace(f'File "{folder}/', 'File "')
    sys.stderr.write(lines)
    sys.stderr.flush()


_folders: list[str] = []


def remember_sources(folder: str) -> None:
    """Keep the source lines of the modules below a folder: inside a component there are no files for a traceback to quote."""
    _folders.append(folder)
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name is None or not name.startswith(f"{folder}/"):
            continue
        text = Path(name).read_text(encoding="utf-8")
        # No modification time: then `linecache` never looks for the file again.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
