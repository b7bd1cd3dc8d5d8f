"""Small projects for the tests of builders: written into a folder, built there, or found at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.build.builder import BuildRequest

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.build.builder import Builder


def write(folder: Path, **files: str) -> Path:
    """Write files and return the folder; `__` in a name stands for a slash, `_` before its last part for a dot."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def build(builder: Builder, folder: Path, work: Path) -> bytes:
    """Build a project without the cache in front, and return the component."""
    work.mkdir(parents=True, exist_ok=True)
    output = work / "component.wasm"
    output.unlink(missing_ok=True)
    builder.build(BuildRequest("service", folder, output, work), lambda _: None)
    return output.read_bytes()
