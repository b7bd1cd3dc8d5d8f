"""The files that decide what a build gives, and their digest."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IGNORED_FOLDERS: Final = frozenset(
    {"__pycache__", "node_modules", "target", "dist", "venv", "htmlcov", "zig-out", "zig-cache"}
)
"""Names of folders that hold products, tools or caches; so do those that begin with a dot."""

IGNORED_FILES: Final = ("*.wasm", "*.cwasm", "*.pyc", "*.pyo", "*~", "wisp.toml", "wisp.lock")
"""Products, and the files that say how a component is used rather than what it is."""

MOST_FILES: Final = 50_000
"""More than any project has; a folder with more is not a project but somebody's home."""


def source_files(folder: Path, *, ignored: Sequence[str] = ()) -> list[Path]:
    """Return the files of a project, sorted: all but hidden ones, products and what else is to be ignored.

    Args:
        folder: The project.
        ignored: More names of files and folders, as shell patterns.

    Raises:
        BuildError: it cannot be read, or it is not a project.

    """
    patterns = (*IGNORED_FILES, *ignored)
    found: list[Path] = []
    for path in _walk(folder, ignored):
        if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns):
            continue
        found.append(path)
        if len(found) > MOST_FILES:
            message = f"{folder} holds more than {MOST_FILES} files; is it really a component's folder?"
            raise BuildError(message, file=folder)
    return sorted(found)


def _walk(folder: Path, ignored: Sequence[str]) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise BuildError(message, file=folder) from error

    def wanted(name: str) -> bool:
        hidden = name.startswith(".") or name.endswith(".egg-info") or name in IGNORED_FOLDERS
        return not hidden and not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if wanted(name)]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if not _is_special(path))


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device: no source, and reading it could take for ever."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # reading it says what is wrong, or that it is gone


def matching(folder: Path, globs: Iterable[str]) -> list[Path]:
    """Return the files that match any of these globs below a folder, sorted."""
    return sorted({path for glob in globs for path in folder.glob(glob) if path.is_file()})


def digest(folder: Path, files: Iterable[Path], facts: Iterable[str]) -> str:
    """Return the digest of a build's inputs.

    Args:
        folder: What the files' names are relative to, so that a copy of the project has the same digest.
        files: Their names, modes and contents count; one that is gone counts as gone.
        facts: What else decides the output.

    """
    total = hashlib.sha256()
    for fact in facts:
        total.update(f"{len(fact)}:{fact}\n".encode())
    for path in files:
        total.update(f"{os.path.relpath(path, folder)}\0{_content(path)}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "gone"
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise BuildError(message, file=path) from error
