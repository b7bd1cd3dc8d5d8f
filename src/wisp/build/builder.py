"""What every language's builder is: one protocol, and the data that goes in and comes out.

A builder knows one language. It says whether a folder is a project of that language (`detect`), which tools it
needs (`tools`), which files and which versions decide its output (`inputs`, `fingerprint`), and it turns the
folder into one component (`build`). It knows nothing of manifests, of the cache or of other builders:
`wisp.build.build_component` chooses the builder, asks the cache first, and keeps what came out.

What the facade does, so that builders need not: the manifest's own build command, the lock on the work folder,
the timing, the digest, the check that the product really is a component.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Report: TypeAlias = Callable[[str], None]
"""Told one short sentence of progress; only the caller prints."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that a builder needs, as `wisp doctor` shows it."""

    name: str
    """What people call it: `cargo`, `node`."""

    required: str
    """What is needed, for people: `>= 1.25`, `with the target wasm32-wasip2`."""

    found: str | None
    """The version found, or None; the version is also given when it does not suffice."""

    install: str
    """One sentence: how to install or mend it."""

    usable: bool
    """Whether what was found suffices."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One dependency from outside, at one version, for the lock file."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    """Every accepted file: `sha256:<hex>`, sorted."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build: from a folder with sources to one component."""

    component: str
    """Its name in the manifest; errors carry it."""

    folder: Path
    """The sources, absolute. A builder never writes here."""

    output: Path
    """Where the component must be written (a temporary path in an existing folder)."""

    work: Path
    """An existing private folder that survives between the builds of this component: incremental state."""

    release: bool = True
    """Optimise; otherwise be quick."""

    pins: tuple[Pin, ...] = ()
    """What the lock file says about dependencies; honoured as far as the sources still allow it."""


class Builder(Protocol):
    """One guest language."""

    @property
    def language(self) -> str:
        """The language's name in lower case: `python`."""

    def detect(self, folder: Path) -> bool:
        """Whether the folder is a project of this language; looks at file names, and inside only to settle a doubt."""

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return what is needed for this folder, or for any ordinary project when no folder is given."""

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the files that decide the output, besides the versions of tools; they are hashed, and watched."""

    def fingerprint(self, folder: Path) -> str:
        """Everything else that decides the output: versions, options. Called before each build, so it must be quick."""

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Write `request.output`, and return what came from outside for the lock file.

        A language with a lock file of its own returns nothing.

        Raises:
            BuildError: the sources are at fault; with file and line where the tool tells them.
            ToolchainError: a tool is missing; with what installs it.

        """
