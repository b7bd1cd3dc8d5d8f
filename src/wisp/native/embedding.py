"""Guests inside this process: what the core gives to `wisp.host.embed`."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

__all__ = [
    "Chunks",
    "Described",
    "EmbeddedComponent",
    "EmbeddedInstance",
    "EmbeddedModule",
    "EmbeddedModuleInstance",
    "Embedding",
    "Feed",
    "Handle",
    "describe",
    "embedding",
]


class Described(Protocol):
    """What a component imports and exports."""

    def json(self) -> str:
        """Return all of it, as JSON."""


class Handle(Protocol):
    """A handle of a resource of a guest."""

    @property
    def blocking(self) -> bool:
        """Whether its functions wait, or are awaited."""

    @property
    def held(self) -> bool:
        """Whether it still is one."""

    def function(self, place: int) -> Callable[..., Any]:
        """Return a function of its instance."""

    def release(self) -> Awaitable[None]:
        """Free the resource."""


class Chunks(Protocol):
    """Where the items of a stream come out."""

    def next(self) -> Any:  # noqa: ANN401 - awaitable, where calls are
        """Return the next items, or the value of a future; None when there are no more."""

    def close(self) -> None:
        """Say that nobody reads any more."""


class Feed(Protocol):
    """Where the items of a stream go in."""

    @property
    def blocking(self) -> bool:
        """Whether there is no event loop, so that `send` waits."""

    @property
    def bytes(self) -> bool:
        """Whether it carries bytes."""

    def put(self, items: object) -> None:
        """Hand in all items there are, or the value of a future."""

    def send(self, items: object) -> Any:  # noqa: ANN401 - awaitable, where calls are
        """Hand in items when those before were taken; False when nobody reads any more."""

    def close(self, fault: str | None = None) -> None:
        """End the stream, in order or because something went wrong."""


class EmbeddedInstance(Protocol):
    """An instance in the core."""

    @property
    def ended(self) -> str | None:
        """Why it ended, if it did."""

    @property
    def stderr(self) -> str:
        """The end of what the guest wrote to its standard error."""

    def function(self, place: int) -> Callable[..., Any]:
        """Return a function by its place among all exported ones."""

    def close(self) -> None:
        """End it."""


class Options(Protocol):
    """What an instance may take and is given."""

    @property
    def memory(self) -> int: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def environment(self) -> Sequence[tuple[str, str]]: ...
    @property
    def arguments(self) -> Sequence[str]: ...
    @property
    def output(self) -> bool: ...


class EmbeddedComponent(Protocol):
    """A component in the core."""

    @overload
    def instantiate(self, options: Options, *, blocking: Literal[True]) -> EmbeddedInstance: ...
    @overload
    def instantiate(
        self, options: Options, *, blocking: Literal[False]
    ) -> Coroutine[None, None, EmbeddedInstance]: ...


class EmbeddedModuleInstance(Protocol):
    """An instance of a core module."""

    @property
    def ended(self) -> str | None:
        """Why it ended, if it did."""

    def call(self, place: int, given: tuple[object, ...]) -> Any:  # noqa: ANN401 - what the function gives
        """Call a function by its place."""

    def read(self, memory: str, offset: int, length: int) -> bytes:
        """Return bytes of a memory."""

    def write(self, memory: str, offset: int, data: bytes) -> None:
        """Write bytes into a memory."""

    def size(self, memory: str) -> int:
        """Return the size of a memory in bytes."""

    @property
    def stderr(self) -> str:
        """The end of what the guest wrote to its standard error."""

    def close(self) -> None:
        """End it."""


class EmbeddedModule(Protocol):
    """A core module."""

    @property
    def functions(self) -> list[str]:
        """The names of its exported functions."""

    @property
    def memories(self) -> list[str]:
        """The names of its memories."""

    @overload
    def instantiate(
        self, options: Options, stdin: bytes, *, blocking: Literal[True]
    ) -> EmbeddedModuleInstance: ...
    @overload
    def instantiate(
        self, options: Options, stdin: bytes, *, blocking: Literal[False]
    ) -> Coroutine[None, None, EmbeddedModuleInstance]: ...
    @overload
    def run(
        self, options: Options, stdin: bytes, *, captured: bool, blocking: Literal[True]
    ) -> tuple[int, bytes, bytes]: ...
    @overload
    def run(
        self, options: Options, stdin: bytes, *, captured: bool, blocking: Literal[False]
    ) -> Coroutine[None, None, tuple[int, bytes, bytes]]: ...


class Embedding(Protocol):
    """Threads and engines for guests."""

    def load_module(
        self, wasm: bytes, answer: Callable[[str, str], Callable[..., Any] | None]
    ) -> EmbeddedModule:
        """Compile a core module and link it; `answer` gives the function for an import."""

    def load(self, world: Described, program: str, binding: object) -> EmbeddedComponent:
        """Load a compiled component and link it."""


def describe(wasm: bytes) -> Described:
    """Read what a component imports and exports.

    Raises:
        ComponentError: it is no component.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.World(wasm)


def embedding() -> Embedding:
    """Start threads for guests in this process.

    Raises:
        HostError: the system gives none.

    """
    from collections.abc import Coroutine  # noqa: PLC0415 - only needed here

    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    Coroutine.register(_core.Call)
    _watch_process()
    return cast("Embedding", _core.Embedding())


_watching = False


def _watch_process() -> None:
    """Let the core know of forks, because what was started before one is not in the child; and of the end."""
    global _watching  # noqa: PLW0603 - a hook of the process is set once in it
    if not _watching:
        _watching = True
        from wisp import _core  # noqa: PLC0415 - see the package's docstring

        os.register_at_fork(after_in_child=_core.forked)
        atexit.register(_core.ending)
