"""Core modules: functions of numbers and a memory of bytes.

A component brings its types along; a module has none. Whoever calls one finds room in its memory, writes there, passes where and how
much, reads what comes back and frees it, and nobody checks that.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wisp.errors import LinkError
from wisp.host.embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from wisp.host.embed.limits import Limits
    from wisp.native import EmbeddedModule, EmbeddedModuleInstance

__all__ = ["BlockingModule", "BlockingModuleInstance", "Memory", "Module", "ModuleInstance"]


_Made = TypeVar("_Made")


class Memory:
    """A linear memory: bytes by their place."""

    def __init__(self, core: EmbeddedModuleInstance, name: str) -> None:
        self._core = core
        self._name = name

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes.

        Raises:
            IndexError: they are not all inside.

        """
        return self._core.read(self._name, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes.

        Raises:
            IndexError: they do not all fit.

        """
        self._core.write(self._name, offset, bytes(data))

    def __len__(self) -> int:
        return self._core.size(self._name)

    def __repr__(self) -> str:
        return f"<memory {self._name!r} of {len(self)} bytes>"


class _ModuleInstance:
    def __init__(self, module: EmbeddedModule, options: Options) -> None:
        self._module = module
        self._options = options
        self._core: EmbeddedModuleInstance | None = None

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """Return an exported function; it takes numbers and gives one, several or none.

        Raises:
            LinkError: there is none of that name.

        """
        core = self._alive()
        names = self._module.functions
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            message = f"the module has no function `{name}`"
            hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(names) or 'none'}"
            raise LinkError(message, hint=hint)
        place = names.index(name)

        def call(*numbers: float) -> Any:  # noqa: ANN401 - what the function gives
            return core.call(place, numbers)

        return call

    @property
    def memory(self) -> Memory:
        """Its memory, the first of those that it exports.

        Raises:
            LinkError: it exports none.

        """
        if not self._module.memories:
            message = "the module exports no memory"
            raise LinkError(message)
        return Memory(self._alive(), self._module.memories[0])

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._core is None or self._core.ended is not None

    def _alive(self) -> EmbeddedModuleInstance:
        if self._core is None:
            message = "this instance has not been entered; use `with` or `async with`"
            raise ValueError(message)
        return self._core

    def _end(self) -> None:
        if self._core is not None:
            self._core.close()


class _Module(Generic[_Made]):
    _kind: type[_Made]

    def __init__(self, core: EmbeddedModule) -> None:
        self._core = core

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of its exported functions."""
        return tuple(self._core.functions)

    def instantiate(self, *, limits: Limits | None = None) -> _Made:
        """Return an instance, to be entered with ``with`` (or ``async with``)."""
        make: Any = self._kind
        made: _Made = make(self._core, Options.of(limits))
        return made


class ModuleInstance(_ModuleInstance):
    """An instance of a core module, whose functions are awaited. An asynchronous context manager."""

    async def __aenter__(self) -> Self:
        self._core = await self._module.instantiate(self._options, blocking=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()


class BlockingModuleInstance(_ModuleInstance):
    """An instance of a core module, whose functions are called and not awaited. A context manager."""

    def __enter__(self) -> Self:
        self._core = self._module.instantiate(self._options, blocking=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()


class Module(_Module[ModuleInstance]):
    """A core module, ready to be instantiated as often as you like."""

    _kind = ModuleInstance


class BlockingModule(_Module[BlockingModuleInstance]):
    """A core module whose instances are called and not awaited."""

    _kind = BlockingModuleInstance
