"""Files that a component sees in a copy: what `include` of a grant of files names.

A copy lies below `.wisp/files` beside the manifest, in a folder that is named by what is in it. So workers that still drain keep
what they had when the files change, and a copy that is there already need not be made again.

Globs are those of Spin. In `include` a `*` stays within one part of a path and `**` stands for any number of them; in `exclude`
both stand for anything. Files whose names begin with a dot match like others.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import ManifestError
from wisp.manifest.grants import Included

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wisp.manifest.grants import FileGrant
    from wisp.manifest.models import Manifest

FOLDER: Final = Path(".wisp", "files")
"""Where copies are, below the manifest's folder."""

_MOST_FILES: Final = 20_000
_WILD: Final = frozenset("*?[")
_DIGITS: Final = 16
_ANYWHERE: Final = "(?:[^/]+/)*"


def stage(manifest: Manifest) -> None:
    """Make every copy that is not there yet.

    Raises:
        ManifestError: a file is not there, lies outside of the app, or cannot be copied.

    """
    for name, component in manifest.component.items():
        for grant in component.grants.files:
            if grant.include:
                _stage(manifest, name, grant)


def place(folder: Path, component: str, grant: FileGrant) -> str:
    """Return where the copy of a grant is, or will be, relative to the manifest's folder."""
    digest = hashlib.sha256(grant.mount.encode())
    for to, source in sorted(files(folder, grant).items()):
        content = hashlib.sha256(source.read_bytes()).hexdigest()
        digest.update(f"\0{to}\0{content}".encode())
    return str(FOLDER / component / digest.hexdigest()[:_DIGITS])


def watched(folder: Path, grant: FileGrant) -> Iterator[Path]:
    """List the files and folders whose change may change a copy."""
    for included in grant.include:
        yield folder / (included.source if isinstance(included, Included) else _fixed(included))


def files(folder: Path, grant: FileGrant) -> dict[str, Path]:
    """Return what is in a copy: by path below the mount, the file that is copied; a `ValueError` says what cannot be."""
    found: dict[str, Path] = {}
    excluded = [glob(pattern, crossing=True) for pattern in grant.exclude]
    for included in grant.include:
        for to, source in _included(folder, included):
            inside = source.relative_to(folder).as_posix()
            if not any(pattern.fullmatch(inside) for pattern in excluded):
                found[to] = source
            if len(found) > _MOST_FILES:
                message = f"more than {_MOST_FILES} files are too many to copy; name a folder as `source`"
                raise ValueError(message)
    return found


@functools.cache
def glob(pattern: str, *, crossing: bool) -> re.Pattern[str]:
    """Return a glob as an expression; `crossing` lets a star stand for more than one part of a path."""
    star, one = (".*", ".") if crossing else ("[^/]*", "[^/]")
    text, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            text, at = text + _ANYWHERE, at + 3
        elif pattern.startswith("**", at):
            text, at = text + ".*", at + 2
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", r"\\")
            text += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            at = end + 1
        else:
            text += {"*": star, "?": one}.get(pattern[at], re.escape(pattern[at]))
            at += 1
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        message = f'"{pattern}" is not a glob: {error}'
        raise ValueError(message) from None


def _included(folder: Path, included: str | Included) -> Iterator[tuple[str, Path]]:
    """List files with where they go."""
    if isinstance(included, Included):
        source, to = folder / included.source, included.to.strip("/")
        _check_inside(included.source)
        if source.is_file():
            yield to, source
        elif source.is_dir():
            for file in _below(source):
                yield "/".join(filter(None, (to, file.relative_to(source).as_posix()))), file
        else:
            message = f'there is no file or folder "{included.source}"'
            raise ValueError(message)
        return
    yield from _matching(folder, included)


def _matching(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    _check_inside(pattern)
    pattern = pattern.removeprefix("./")
    if (folder / pattern).is_dir():
        pattern = f"{pattern.rstrip('/')}/**/*"
    elif not (folder / pattern).exists() and not _WILD & set(pattern):
        message = f'there is no file or folder "{pattern}"'
        raise ValueError(message)
    wanted = glob(pattern, crossing=False)
    start = folder / _fixed(pattern)
    for file in [start] if start.is_file() else _below(start):
        inside = file.relative_to(folder).as_posix()
        if inside == pattern or wanted.fullmatch(inside):
            yield inside, file


def _check_inside(path: str) -> None:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        message = f'"{path}" leads out of the folder of the manifest'
        raise ValueError(message)


def _below(folder: Path) -> Iterator[Path]:
    """List the files below a folder in order, but not our own."""
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            if entry.name != ".wisp" and not entry.is_symlink():
                yield from _below(entry)
        elif entry.is_file():
            yield entry


def _fixed(pattern: str) -> Path:
    """Return the part of a glob before its first wildcard."""
    parts: list[str] = []
    for part in Path(pattern).parts:
        if _WILD & set(part):
            break
        parts.append(part)
    return Path(*parts)


def _stage(manifest: Manifest, component: str, grant: FileGrant) -> None:
    try:
        target = manifest.folder / place(manifest.folder, component, grant)
        if target.is_dir():
            return
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            _copy(files(manifest.folder, grant), beside)
            beside.rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except (OSError, ValueError) as error:
        message = f"component {component}: the files for {grant.mount} cannot be copied: {error}"
        raise ManifestError(message, path=manifest.path) from error


def _copy(wanted: dict[str, Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for to, source in wanted.items():
        file = folder / to
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
