"""From paths to apps that workers can run: manifest, build, store, compile, lock.

`wisp build`, `wisp up` and a reload of a running host all need the same thing, and only the command line may put the
builders and the cache together (they are strangers to each other), so it is done here, once.

Everything that comes back is plain data. A worker is told JSON, the first screen shows strings and sizes, the
watcher wants paths: nobody behind this module needs the models of the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Report: TypeAlias = "Callable[[str], None]"
"""Told one short sentence of progress, from any thread."""


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How to prepare apps."""

    profile: str | None = None
    """The `[profile.NAME]` of the manifest to apply."""

    strategy: str = "cranelift"
    """The compiler: `cranelift`, or `winch` that compiles faster code slower to run."""

    release: bool = True
    """Build optimised components."""

    locked: bool = False
    """Refuse to change `wisp.lock`."""

    components: tuple[str, ...] = ()
    """Build only these; none means all of them."""


@dataclass(frozen=True, slots=True)
class PreparedComponent:
    """One component of an app, built and stored."""

    name: str
    digest: str
    size: int
    language: str | None
    """None when it was not built here: a `.wasm` file, or fetched."""

    cached: bool
    """Nothing had to be built or fetched."""

    seconds: float
    """How long building or fetching took."""


@dataclass(frozen=True, slots=True)
class PreparedApp:
    """One app, ready to be told to workers."""

    name: str
    folder: Path
    """Where its manifest lies, or the folder that stands in for one."""

    locked: Mapping[str, object]
    """The locked app: one element of `apps` in the start message."""

    components: tuple[PreparedComponent, ...]

    artifacts: Mapping[str, Mapping[str, object]]
    """By digest: `path`, `size`, `profile`, `resources`; the app's part of `artifacts` in the start message."""

    watch: tuple[Path, ...]
    """Files and folders whose change means that the app has to be prepared again."""


async def prepare(paths: Sequence[Path], options: PrepareOptions, report: Report) -> tuple[PreparedApp, ...]:
    """Load, build, store, compile and lock the apps at these paths: folders, manifests or `.wasm` files.

    Raises:
        WispError: a manifest is wrong, a component does not build, or is not one that serves HTTP.

    """
    raise NotImplementedError
