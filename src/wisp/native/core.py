"""The functions of the core, one by one."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from wisp.native.component import ComponentInfo, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wisp.native.component import Resources

Strategy: TypeAlias = Literal["cranelift", "winch"]
"""The compiler: Cranelift's code is fast, Winch compiles fast."""

Adapter: TypeAlias = Literal["reactor", "command", "none"]
"""What stands between a preview-1 module and WASI 0.2."""


_PREVIEW1: Final = "wasi_snapshot_preview1"
_DESCRIPTION: Final = re.compile(rb"component-type[:\x00]")
"""How the name of the section begins in which wit-bindgen describes the component."""


class Serving(Protocol):
    """A host of the core inside this process."""

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""

    def metrics(self) -> str:
        """Return counters and what goes on now, as JSON."""

    def close(self, timeout: float) -> None:
        """Finish what was accepted, for at most `timeout` seconds, and free everything."""


class Program(Protocol):
    """A compiled component to run: an `Artifact` of the registry is one."""

    @property
    def digest(self) -> str:
        """The component's."""

    @property
    def path(self) -> Path:
        """The compiled file, in our own cache."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    @property
    def profile(self) -> Profile:
        """The engine profile that it was compiled for."""

    @property
    def strategy(self) -> Strategy:
        """The compiler that made it."""

    @property
    def resources(self) -> Resources:
        """What one instance takes."""


class Directory(Protocol):
    """A folder that a program may see."""

    @property
    def host(self) -> Path:
        """Where it lies."""

    @property
    def guest(self) -> str:
        """What the program calls it."""

    @property
    def read_only(self) -> bool:
        """Whether the program may only read."""


def version() -> str:
    """Return the version of the core."""
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.version()


def engine_key(profile: Profile, strategy: Strategy) -> str:
    """Return the name of the engine that compiled files must be for: `sync-cranelift-0123456789abcdef`."""
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.engine_key(profile, strategy)


def inspect(wasm: bytes) -> ComponentInfo:
    """Say what a file is. Any bytes will do: what is no WebAssembly has the kind `unknown`."""
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return ComponentInfo.from_json(json.loads(_core.inspect(wasm)))


def encode(core: bytes, *, wit: Path | None = None, world: str = "", adapter: Adapter = "none") -> bytes:
    """Make a component of a core module.

    Args:
        core: The module.
        wit: A WIT file or folder; None when the module carries its own description.
        world: The world in it; may be empty when there is only one.
        adapter: What the module's preview-1 imports are linked to.

    Raises:
        ComponentError: the module does not fit the world.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.encode(core, str(wit) if wit else "", world, adapter)


def described(module: bytes) -> bytes | None:
    """Make a component of a core module that carries the description of one, as wit-bindgen leaves it behind.

    Such modules are what `wasm32-wasip1` gives; their calls of WASI preview 1 are answered by an adapter inside. None for a
    module without a description.

    Raises:
        ComponentError: the module is not as its description says.

    """
    info = inspect(module)
    adapter: Adapter = "none"
    if _PREVIEW1 in info.imports:
        adapter = "reactor" if info.command is None else "command"
    if not _DESCRIPTION.search(module):
        return None
    return encode(module, adapter=adapter)


def merge(component: bytes) -> bytes:
    """Merge the modules of a component of componentize-py into one; the world stays the same.

    Raises:
        ComponentError: it has something that cannot be merged; the component works as it is.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.merge(component)


def preview1_to_component(module: bytes) -> bytes:
    """Make a command component of a preview-1 program.

    Raises:
        ComponentError: it is not such a program.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.preview1_to_component(module)


def run_command(
    program: Program,
    *,
    name: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    directories: Sequence[Directory] = (),
) -> int:
    """Run a command component on our own standard streams and return its exit code.

    Args:
        program: The compiled component.
        name: What the program finds as its own name, before the arguments.
        arguments: Its arguments.
        environment: Its variables; none of ours are inherited.
        directories: The folders it may see; none otherwise.

    Raises:
        ArtifactError: the compiled file is not one of ours.
        ComponentError: the program trapped.
        HostError: it cannot be started.

    """
    options = {
        "digest": program.digest,
        "artifact": {
            "path": str(program.path),
            "size": program.size,
            "profile": program.profile,
            "resources": asdict(program.resources),
        },
        "compiler_strategy": program.strategy,
        "arguments": [name, *arguments],
        "environment": dict(environment or {}),
        "directories": [
            {"host": str(folder.host), "guest": folder.guest, "read_only": folder.read_only}
            for folder in directories
        ],
    }
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.run_command(json.dumps(options))


def serve(start: str, listen: str) -> Serving:
    """Serve the apps of `start`, the JSON that workers get, from this process.

    Raises:
        ArtifactError, ComponentError: what `start` names cannot be loaded.
        HostError: `start` is not of the expected form, or `listen` cannot be listened on.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.Host(start, listen)
