"""Folders as layers: a tar with nothing in it but the names and contents of files, the same for the same files.

It is not compressed, because what a compressor makes depends on its version. What comes from elsewhere is unpacked by hand:
only files, only below the folder, not more than was announced.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

from wisp.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import IO, BinaryIO

MOST_FILES: Final = 20_000
_COPY_BYTES: Final = 2**20


def below(folder: Path) -> dict[str, Path]:
    """Return the files in a folder by their names; a `ValueError` says what cannot be packed."""
    root = folder.resolve()
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if not path.resolve().is_relative_to(root):
            message = f'"{path.relative_to(folder)}" leads out of {folder.name}'
            raise ValueError(message)
        if path.is_dir():
            message = f'"{path.relative_to(folder)}" is a link to a folder'
            raise ValueError(message)
        if not path.is_file():
            message = f'"{path.relative_to(folder)}" is not a file'
            raise ValueError(message)
        found[path.relative_to(folder).as_posix()] = path
        if len(found) > MOST_FILES:
            message = f"{folder.name} has more than {MOST_FILES} files"
            raise ValueError(message)
    return found


def pack(files: Mapping[str, Path], stream: BinaryIO) -> None:
    """Write files as a tar."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in sorted(files.items()):
            with path.open("rb") as content:
                entry = tarfile.TarInfo(name)
                entry.size = path.stat().st_size
                entry.mode = 0o644
                archive.addfile(entry, content)


def unpack(source: Path, folder: Path, what: str) -> None:
    """Write the files of a tar below a folder, which exists afterwards.

    Raises:
        RegistryError: there is something else in it.

    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(source, mode="r:") as archive:
            for count, entry in enumerate(archive):
                if count > MOST_FILES:
                    message = f"{what} has more than {MOST_FILES} files"
                    raise RegistryError(message)
                _unpack(archive, entry, folder, what)
    except (tarfile.TarError, UnicodeError, ValueError) as error:
        message = f"{what} is not a tar: {error}"
        raise RegistryError(message) from error


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, what: str) -> None:
    parts = entry.name.removeprefix("./").rstrip("/").split("/")
    if entry.isdir():
        return  # those with files in them are made for these
    if entry.name.startswith("/") or {"", ".", ".."} & set(parts) or "\0" in entry.name:
        message = f"{what} has a file that lies elsewhere: {entry.name!r}"
        raise RegistryError(message)
    target = folder.joinpath(*parts)
    content = archive.extractfile(entry) if entry.isreg() and not entry.issparse() else None
    if content is None:
        message = f"{what} has what is neither a file nor a folder: {entry.name!r}"
        raise RegistryError(message)
    # No links are ever made below the folder, so the name leads where it says; a second file of that name is refused.
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            _copy(content, stream)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        message = f"{what} has {entry.name!r} twice"
        raise RegistryError(message) from error


def _copy(content: IO[bytes], stream: BinaryIO) -> None:
    while piece := content.read(_COPY_BYTES):
        stream.write(piece)
