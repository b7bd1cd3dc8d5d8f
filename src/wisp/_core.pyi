"""The extension module: what Python may ask of the core. JSON and bytes in and out; `wisp.native` makes types of it.

Every function releases the interpreter while it works. What it raises are classes of `wisp.errors`.
"""

from typing import Self, final

__all__ = [
    "Host",
    "check_link",
    "compile",
    "compose",
    "encode",
    "engine_key",
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
    """Return the name of the engine that compiled files must be for: `sync-cranelift-0123456789abcdef`."""

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
