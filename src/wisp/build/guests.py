"""What wisp ships for the inside of components: guest libraries and WIT."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import BuildError, ComponentError

if TYPE_CHECKING:
    from wisp.build.builder import BuildRequest

FOLDER: Final = Path(__file__).parents[1] / "guests"
"""One folder for each language, and `wit`."""

WIT_0_2: Final = FOLDER / "wit" / "http-0.2"
WIT_0_3: Final = FOLDER / "wit" / "http-0.3"
CAPABILITIES: Final = FOLDER / "wit" / "capabilities" / "deps"
"""What hosts answer beyond that: one folder for each package, called after it."""

WORLD: Final = "wisp:guest/http-service"
"""The world of both."""


@dataclass(frozen=True, slots=True)
class Service:
    """A world of an HTTP service."""

    wit: Path
    world: str = WORLD


SERVICE_0_2: Final = Service(WIT_0_2)


def write_service(core: Path, request: BuildRequest, *, file: Path, hint: str | None = None) -> None:
    """Encode a preview-1 module that was built against `WIT_0_2`, and write the component to `request.output`.

    Raises:
        BuildError: the module is not an HTTP service; with this file and hint.

    """
    try:
        write_component(core, request, wit=WIT_0_2, world=WORLD)
    except ComponentError as error:
        message = f"the module is not an HTTP service: {error.message}"
        raise BuildError(message, component=request.component, file=file, hint=hint) from error


def write_component(core: Path, request: BuildRequest, *, wit: Path, world: str) -> None:
    """Encode a preview-1 module that was built against a world, and write the component to `request.output`.

    Raises:
        ComponentError: the module does not fit the world.

    """
    from wisp import native  # noqa: PLC0415 - not needed when nothing is built

    request.output.write_bytes(native.encode(core.read_bytes(), wit=wit, world=world, adapter="reactor"))


def extension() -> str:
    """Return what changes when the extension module does, whose tools make a part of components: for fingerprints."""
    found = sorted(Path(__file__).parents[1].glob("_core*.so"))
    return " ".join(f"{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in found)


def digest(*folders: Path) -> str:
    """Return what changes when any of the files in these folders does: for fingerprints."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
            if "node_modules" not in path.parts:
                total.update(
                    f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest()
                )
    return total.hexdigest()
