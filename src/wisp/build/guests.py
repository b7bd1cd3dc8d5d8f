"""What wisp ships for the inside of components: guest libraries and WIT."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import BuildError, ComponentError

if TYPE_CHECKING:
    from wisp.build.builder import BuildRequest

FOLDER: Final = Path(__file__).parents[1] / "guests"
"""One folder for each language, and `wit`."""

WIT_0_2: Final = FOLDER / "wit" / "http-0.2"
WIT_0_3: Final = FOLDER / "wit" / "http-0.3"
WORLD: Final = "wisp:guest/http-service"
"""The world of both."""


def write_service(core: Path, request: BuildRequest, *, file: Path, hint: str | None = None) -> None:
    """Encode a preview-1 module that was built against `WIT_0_2`, and write the component to `request.output`.

    Raises:
        BuildError: the module is not an HTTP service; with this file and hint.

    """
    from wisp import native  # noqa: PLC0415 - not needed when nothing is built

    try:
        component = native.encode(core.read_bytes(), wit=WIT_0_2, world=WORLD, adapter="reactor")
    except ComponentError as error:
        message = f"the module is not an HTTP service: {error.message}"
        raise BuildError(message, component=request.component, file=file, hint=hint) from error
    request.output.write_bytes(component)


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
