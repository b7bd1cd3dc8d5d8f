"""Components and their instances, for asyncio and without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wisp.host.embed import streams
from wisp.host.embed.classes import Classes
from wisp.host.embed.imports import Given, Names, given
from wisp.host.embed.interfaces import Interface, find, interfaces
from wisp.host.embed.options import Options
from wisp.wit.values import Err, Ok, Some

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from wisp.host.embed.description import World
    from wisp.host.embed.limits import Limits
    from wisp.native import EmbeddedComponent, EmbeddedInstance

__all__ = ["Binding", "BlockingComponent", "BlockingInstance", "Component", "Instance", "Loaded"]


class Binding:
    """What the core has to know of Python to call a component: its classes, its names, the functions that answer."""

    some = Some
    ok = Ok
    err = Err
    streams = streams

    def __init__(self, world: World, imports: Mapping[str, object], *, tolerant: bool = False) -> None:
        self.world = world
        self.made = Classes(world)
        self.classes = list(self.made.by_type)
        self.exports = [
            Names.of(function, self.made) for interface in world.exports for function in interface.functions
        ]
        answered = given(world, self.made, imports, tolerant=tolerant)
        self.imports: list[Given] = answered.interfaces
        self.hosted = self.made.hosted = answered.classes


@dataclass(frozen=True, slots=True)
class Loaded:
    """A component in the core, with what Python made of it."""

    core: EmbeddedComponent
    binding: Binding
    name: str


_Made = TypeVar("_Made")


class _Instance:
    """What both kinds of instances have."""

    def __init__(self, loaded: Loaded, options: Options) -> None:
        self._loaded = loaded
        self._options = options
        self._core: EmbeddedInstance | None = None
        self._interfaces: dict[str, Interface] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - what an interface has, the component decides
        """Return an exported interface, by its name with or without version; ``""`` is the world itself.

        Raises:
            LinkError: the component does not export it.

        """
        self._alive()
        return find(self._interfaces, name)

    def __iter__(self) -> Iterator[str]:
        return iter([interface.name for interface in self._loaded.binding.world.exports])

    @property
    def stderr(self) -> str:
        """The end of what the guest wrote to its standard error."""
        return self._alive().stderr

    @property
    def closed(self) -> bool:
        """Whether it has ended: it was closed, or a call ended it."""
        return self._core is None or self._core.ended is not None

    def _born(self, core: EmbeddedInstance) -> None:
        self._core = core
        binding = self._loaded.binding
        self._interfaces = interfaces(binding.world, binding.made, core)

    def _alive(self) -> EmbeddedInstance:
        if self._core is None:
            message = "this instance has not been entered; use `with` or `async with`"
            raise ValueError(message)
        return self._core

    def _end(self) -> None:
        if self._core is not None:
            self._core.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{type(self).__name__} of {self._loaded.name}, {state}>"


class Instance(_Instance):
    """An instance of a component, for asyncio.

    An asynchronous context manager. ``instance["cyber:packets/data-processor@0.2.0"]`` is an exported interface: its functions
    are awaited, its types are classes. An instance answers one call at a time; others wait for their turn. One whose guest has
    asynchronous functions answers several at once. Cancelling a call stops the guest, and ends the instance; so does a trap.
    """

    async def __aenter__(self) -> Self:
        self._born(await self._loaded.core.instantiate(self._options, blocking=False))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    async def close(self) -> None:
        """End the instance; a call that is in progress ends with it. Closing twice is harmless."""
        self._end()


class BlockingInstance(_Instance):
    """An instance of a component whose functions are called and not awaited; see `Instance`."""

    def __enter__(self) -> Self:
        self._born(self._loaded.core.instantiate(self._options, blocking=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def close(self) -> None:
        """End the instance. Closing twice is harmless."""
        self._end()


class _Component(Generic[_Made]):
    """What both kinds of components have."""

    _kind: type[_Made]

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def binding(self) -> Binding:
        """Its types, as Python has them."""
        return self._loaded.binding

    @property
    def exports(self) -> tuple[str, ...]:
        """The interfaces that it offers."""
        return tuple(interface.name for interface in self._loaded.binding.world.exports)

    @property
    def imports(self) -> tuple[str, ...]:
        """The interfaces that it needs."""
        return tuple(interface.name for interface in self._loaded.binding.world.imports)

    def instantiate(
        self,
        *,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        output: bool = True,
    ) -> _Made:
        """Return an instance, to be entered with ``with`` (or ``async with``).

        It may use clocks, random numbers and its output; no files, no network, no variables but these.

        Args:
            limits: What it may take.
            environment: Its variables; none of ours are inherited.
            arguments: Its arguments.
            output: Whether what it writes goes to our standard output and error; dropped otherwise.

        """
        make: Any = self._kind
        made: _Made = make(self._loaded, Options.of(limits, environment, arguments, output=output))
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._loaded.name}>"


class Component(_Component[Instance]):
    """A component, ready to be instantiated as often as you like."""

    _kind = Instance


class BlockingComponent(_Component[BlockingInstance]):
    """A component whose instances are called and not awaited."""

    _kind = BlockingInstance
