"""Apps on their way from a path to the workers, as plain data.

A worker is told JSON, the first screen shows strings and sizes, the watcher wants paths: nobody who reads these needs
the models of the manifest, which are slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wisp.manifest.spin.runtime import RuntimeConfig

Report: TypeAlias = "Callable[[str], None]"
"""Told one short sentence of progress, from any thread."""

Strategy: TypeAlias = Literal["cranelift", "winch"]


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How to prepare apps."""

    profile: str | None = None
    """The `[profile.NAME]` of the manifest to apply."""

    strategy: Strategy = "cranelift"
    """The compiler: `winch` compiles faster code slower to run."""

    release: bool = True
    """Build optimised components."""

    locked: bool = False
    """Refuse to change `wisp.lock`."""

    components: tuple[str, ...] = ()
    """Build only these; none means all of them."""

    open_imports: bool = False
    """Leave imports that nothing answers to the program that loads the app."""

    entry: str | None = None
    """The one component to be put together, even if no route leads to it; None means all that the host runs."""

    variables: tuple[tuple[str, str], ...] = ()
    """Values of variables of apps of Spin."""

    runtime_config: RuntimeConfig | None = None
    """What a `runtime-config.toml` says, for apps of Spin."""

    insecure: tuple[str, ...] = ()
    """Registries that may be spoken to without encryption."""

    authority: Path | None = None
    """Certificates that are trusted for registries too."""

    policy: Path | None = None
    """What says whose artifacts are trusted; None means the one of this machine, if it has one."""

    update: bool = False
    """Ask registries anew what tags mean."""


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
class PreparedLink:
    """One link of an app, as it was settled."""

    component: str
    interface: str
    provider: str
    """The component that answers; with its app if that is another one, as in `billing/invoices`."""

    mode: str
    """`fused`, `bridged` or `remote`."""

    reason: str
    """Why this mode, in words."""


@dataclass(frozen=True, slots=True)
class PreparedApp:
    """One app, ready to be told to workers."""

    name: str
    folder: Path
    """Where its manifest lies, or the folder that stands in for one."""

    locked: Mapping[str, object]
    """The locked app: one element of `apps` in the start message."""

    components: tuple[PreparedComponent, ...]
    links: tuple[PreparedLink, ...]

    artifacts: Mapping[str, Mapping[str, object]]
    """By digest: `path`, `size`, `profile`, `resources`; the app's part of `artifacts` in the start message."""

    watch: tuple[Path, ...]
    """Files and folders whose change means that the app has to be prepared again."""

    remarks: tuple[str, ...] = ()
    """What whoever serves it should be told about its manifest."""
