"""The extension module: what Python may ask of the core. JSON and bytes in and out; `wisp.native` makes types of it.

Every function releases the interpreter while it works. What it raises are classes of `wisp.errors`.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self, final, overload

__all__ = [
    "Call",
    "Chunks",
    "Component",
    "Embedding",
    "Feed",
    "Function",
    "Handle",
    "Host",
    "Instance",
    "Module",
    "ModuleInstance",
    "World",
    "bindings",
    "check_link",
    "compile",
    "compose",
    "encode",
    "ending",
    "engine_key",
    "forked",
    "inspect",
    "interfaces",
    "merge",
    "preview1_to_component",
    "run_command",
    "version",
    "wit_check",
    "wit_decode",
    "wit_read",
    "wit_try_link",
    "wit_try_world",
]

def version() -> str:
    """Return the version of the core."""

def engine_key(profile: str, strategy: str) -> str:
    """Return the name of the engine that compiled files must be for: `sync-little-cranelift-0123456789abcdef`."""

def inspect(wasm: bytes) -> str:
    """Return what a file is, as JSON."""

def encode(core: bytes, wit: str, world: str, adapter: str) -> bytes:
    """Make a component of a core module; `wit` is a path, or empty when the module carries its own description."""

def merge(component: bytes) -> bytes:
    """Merge the modules of a component of componentize-py into one."""

def compose(composition: str, components: list[bytes]) -> bytes:
    """Compose components into one; `composition` is JSON that says which parts there are and who answers whom."""

def check_link(consumer: tuple[str, bytes], interface: str, provider: tuple[str, bytes]) -> None:
    """Refuse two components, each with its name, that do not fit together through an interface."""

def interfaces(name: str, component: bytes) -> str:
    """Return the interfaces through which a component can be linked, as JSON."""

def preview1_to_component(core: bytes) -> bytes:
    """Make a command component of a preview-1 program."""

def compile(wasm_path: str, artifact_path: str, strategy: str) -> str:  # noqa: A001 - the core's own word
    """Compile a component into a file; return JSON about it."""

def run_command(options: str) -> int:
    """Run a command component; return its exit code."""

def bindings(settings: str) -> list[tuple[str, str]]:
    """Generate bindings, as settings in JSON say; gives each file's name and text."""

def wit_read(path: str) -> str:
    """Return what a folder with WIT, a file with WIT, an encoded package or a component describes, as JSON."""

def wit_decode(wasm: bytes) -> str:
    """Return what an encoded package or a component describes, as JSON."""

def wit_check(component: bytes, path: str, world: str) -> None:
    """Raise unless a component fits a world of the WIT at `path`."""

def wit_try_link(exporter: str, importer: str) -> None:
    """Raise unless a component that imports all of one package links to one that exports all of the other."""

def wit_try_world(given: str, wanted: str, world: str) -> None:
    """Raise unless a component that is made for one world runs where the other is meant."""

@final
class Host:
    """Apps served from this process. Closed by `close`; after a fork it may not be used."""

    def __new__(cls, start: str, listen: str) -> Self:
        """Load the apps of `start`, the JSON that workers get, and serve them at `listen`."""

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""

    def metrics(self) -> str:
        """Return counters and what goes on now, as JSON."""

    def close(self, timeout: float) -> None:
        """Finish what was accepted, for at most `timeout` seconds, and free everything. Closing twice is harmless."""

def ending() -> None:
    """Say that this process is about to end, and wait until no thread of the core calls Python any more."""

def forked() -> None:
    """Say that this process is the child of a fork."""

@final
class World:
    """What a component imports and exports."""

    def __new__(cls, wasm: bytes) -> Self:
        """Read it from a component."""

    def json(self) -> str:
        """Return all of it, as JSON."""

@final
class Embedding:
    """Threads and engines for guests in this process; after a fork it may not be used."""

    def __new__(cls) -> Self:
        """Start them."""

    def load(self, world: World, program: str, binding: Any) -> Component:
        """Load a compiled component (`program` is JSON) and link it to the classes and functions of `binding`."""

    def load_module(self, wasm: bytes, answer: Callable[[str, str], Callable[..., Any] | None]) -> Module:
        """Compile a core module and link it to what `answer` gives for each imported function."""

@final
class Module:
    """A core module, ready to be instantiated."""

    @property
    def functions(self) -> list[str]:
        """The names of its exported functions, in the order of their places."""

    @property
    def memories(self) -> list[str]:
        """The names of its memories."""

    @overload
    def instantiate(self, options: Any, input: bytes, *, blocking: Literal[True]) -> ModuleInstance:
        """Make an instance."""

    @overload
    def instantiate(self, options: Any, input: bytes, *, blocking: Literal[False]) -> Call: ...
    @overload
    def run(
        self, options: Any, input: bytes, *, captured: bool, blocking: Literal[True]
    ) -> tuple[int, bytes, bytes]:
        """Run its program to the end: its exit code, and what it wrote when that is captured."""

    @overload
    def run(self, options: Any, input: bytes, *, captured: bool, blocking: Literal[False]) -> Call: ...

@final
class ModuleInstance:
    """An instance of a core module."""

    @property
    def ended(self) -> str | None:
        """Why it ended, if it did."""

    def call(self, place: int, given: tuple[object, ...]) -> Any:
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
        """End the instance."""

@final
class Component:
    """A component, ready to be instantiated."""

    @overload
    def instantiate(self, options: Any, *, blocking: Literal[True]) -> Instance:
        """Make an instance."""

    @overload
    def instantiate(self, options: Any, *, blocking: Literal[False]) -> Call: ...

@final
class Instance:
    """An instance of a component."""

    @property
    def ended(self) -> str | None:
        """Why it ended, if it did."""

    @property
    def stderr(self) -> str:
        """The end of what the guest wrote to its standard error."""

    def function(self, place: int) -> Function:
        """Return a function by its place among all exported ones."""

    def close(self) -> None:
        """End the instance; a call that is in progress ends with it. Closing twice is harmless."""

@final
class Function:
    """An exported function of an instance."""

    @property
    def error(self) -> type[BaseException]:
        """The exception that it raises when its result is an error."""

    def __call__(self, *given: object, **named: object) -> Any:
        """Call it: the result, or, for an asynchronous instance, a coroutine."""

@final
class Handle:
    """A handle of a resource; a resource's Python object has it as `_handle`."""

    @property
    def blocking(self) -> bool:
        """Whether its functions wait, or are awaited."""

    @property
    def held(self) -> bool:
        """Whether it still is one."""

    def function(self, place: int) -> Function:
        """Return a function of its instance."""

    def release(self) -> Any:
        """Free the resource in the guest; once is enough, twice is harmless."""

@final
class Chunks:
    """Where the items of a stream come out."""

    def next(self) -> Any:
        """Return the next items; None when there are no more."""

    def close(self) -> None:
        """Say that nobody reads any more, which a guest that writes is told."""

@final
class Feed:
    """Where the items of a stream go in."""

    @property
    def blocking(self) -> bool:
        """Whether there is no event loop, so that `send` waits."""

    @property
    def bytes(self) -> bool:
        """Whether it carries bytes."""

    def put(self, items: object) -> None:
        """Hand in the first items, which always are taken, and end the stream."""

    def send(self, items: object) -> Any:
        """Hand in items when those before were taken; False when nobody reads any more."""

    def close(self, fault: str | None = None) -> None:
        """End the stream, in order or because something went wrong."""

@final
class Call:
    """Something in the core that an asyncio task can await."""

    def __await__(self) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def send(self, value: object) -> Any:
        """Go on, as coroutines do."""

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None) -> Any:
        """Raise an exception where the coroutine waits; the guest is stopped."""

    def close(self) -> None:
        """Stop the guest, if it runs."""
