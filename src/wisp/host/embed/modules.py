"""Core modules: functions of numbers and a memory of bytes.

A component brings its types along; a module has none. Whoever calls one finds room in its memory, writes there, passes where and how
much, reads what comes back and frees it, and nobody checks that. What a module imports is answered by functions of numbers; a memory
that it imports is made for each of its instances; WASI preview 1 is the host's.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wisp.errors import LinkError
from wisp.host.embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from wisp.host.embed.limits import Limits
    from wisp.native import EmbeddedModule, EmbeddedModuleInstance

__all__ = [
    "Answers",
    "BlockingModule",
    "BlockingModuleInstance",
    "Finished",
    "Memory",
    "Module",
    "ModuleInstance",
]


_Made = TypeVar("_Made")
_WASI = "wasi_snapshot_preview1"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it wrote: nothing where that was passed on."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Answers:
    """Finds the function that answers an import of a module.

    Args:
        imports: By the name of an imported module, an object with methods, or a mapping of names to functions.

    """

    def __init__(self, imports: Mapping[str, object]) -> None:
        self._imports = imports
        self._used: set[str] = set()

    def __call__(self, module: str, name: str) -> Callable[..., Any] | None:
        """Return the function; None for one of WASI.

        Raises:
            LinkError: nobody answers.

        """
        self._used.add(module)
        answers: Any = self._imports.get(module)
        found = answers.get(name) if hasattr(answers, "keys") else getattr(answers, name, None)
        if callable(found):
            return found  # type: ignore[no-any-return]  # it is callable: that is all we ask
        if module == _WASI:
            return None
        message = f"the module imports `{name}` of `{module}`, and nothing answers it"
        hint = f"load it with imports={{{module!r}: {{{name!r}: ...}}}}"
        raise LinkError(message, interface=module, hint=hint)

    def check(self) -> None:
        """Refuse what is given and not imported.

        Raises:
            LinkError: there is such a thing.

        """
        for module in self._imports:
            if module not in self._used:
                message = f"the module does not import functions of `{module}`"
                known = ", ".join(sorted(self._used)) or "no functions"
                raise LinkError(message, interface=module, hint=f"it imports {known}")


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
    def __init__(self, module: EmbeddedModule, options: Options, stdin: bytes) -> None:
        self._module = module
        self._options = options
        self._stdin = stdin
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
        """Its memory: the first that it exports, or else imports. A function that answers an import may use it, too.

        Raises:
            LinkError: it has none.

        """
        if not self._module.memories:
            message = "the module has no memory"
            raise LinkError(message)
        return Memory(self._alive(), self._module.memories[0])

    @property
    def stderr(self) -> str:
        """The end of what the guest wrote to its standard error."""
        return self._alive().stderr

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

    @property
    def memories(self) -> tuple[str, ...]:
        """The names of its memories: those that it exports, then those that it imports."""
        return tuple(self._core.memories)

    def instantiate(
        self,
        *,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        stdin: bytes = b"",
        output: bool = True,
    ) -> _Made:
        """Return an instance, to be entered with ``with`` (or ``async with``).

        Args:
            limits: What it may take.
            environment: Its variables, for WASI; none of ours are inherited.
            arguments: Its arguments, for WASI; the first is its own name.
            stdin: What it reads from its standard input.
            output: Whether what it writes goes to our standard output and error; dropped otherwise.

        """
        make: Any = self._kind
        options = Options.of(limits, environment, arguments, output=output)
        made: _Made = make(self._core, options, stdin)
        return made


class ModuleInstance(_ModuleInstance):
    """An instance of a core module, whose functions are awaited. An asynchronous context manager."""

    async def __aenter__(self) -> Self:
        self._core = await self._module.instantiate(self._options, self._stdin, blocking=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()


class BlockingModuleInstance(_ModuleInstance):
    """An instance of a core module, whose functions are called and not awaited. A context manager."""

    def __enter__(self) -> Self:
        self._core = self._module.instantiate(self._options, self._stdin, blocking=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()


class Module(_Module[ModuleInstance]):
    """A core module, ready to be instantiated as often as you like."""

    _kind = ModuleInstance

    async def run(
        self,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        capture: bool = True,
        limits: Limits | None = None,
    ) -> Finished:
        """Run a program of WASI preview 1 (a module that exports ``_start``) to its end, in an instance of its own.

        Args:
            arguments: Its arguments; the first is its own name.
            environment: Its variables; none of ours are inherited.
            stdin: What it reads from its standard input.
            capture: Whether what it writes is returned; otherwise it goes to our standard output and error.
            limits: What it may take; the timeout is for all of the run.

        Raises:
            LinkError: it is no program.
            CallError: it did not come to an end of its own.

        """
        _check_program(self._core)
        options = Options.of(limits, environment, arguments, output=not capture)
        return Finished(*await self._core.run(options, stdin, captured=capture, blocking=False))


class BlockingModule(_Module[BlockingModuleInstance]):
    """A core module whose instances are called and not awaited."""

    _kind = BlockingModuleInstance

    def run(
        self,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        capture: bool = True,
        limits: Limits | None = None,
    ) -> Finished:
        """Run a program of WASI preview 1 to its end; see `Module.run`."""
        _check_program(self._core)
        options = Options.of(limits, environment, arguments, output=not capture)
        return Finished(*self._core.run(options, stdin, captured=capture, blocking=True))


def _check_program(core: EmbeddedModule) -> None:
    if "_start" not in core.functions:
        message = "the module is no program: it exports no `_start`"
        raise LinkError(message, hint="instantiate it, and call its functions")
