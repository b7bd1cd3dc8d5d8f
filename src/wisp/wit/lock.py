"""The lock file `wit.lock` beside a folder's WIT: what lies in `deps`, where it came from, and its digest.

It is a file of its own, not a part of `wisp.lock`: that one is written by builds and belongs to an app, while WIT is shared
between apps and has no manifest. Like `wisp.lock` it is TOML, sorted, without times or hosts: a function of what it pins.
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from wisp.errors import WitError
from wisp.manifest.toml import write_text
from wisp.manifest.values import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE_NAME: Final = "wit.lock"

_HEAD: Final = (
    "# The packages in deps/, pinned by `wisp wit`. Keep it in version control; do not edit it.\nschema = 1\n"
)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Pin(_Entry):
    """One package."""

    name: str
    """`wasi:io@0.2.6`."""

    path: str
    """Where it lies, below `deps`."""

    digest: Digest
    """Of what lies there."""

    source: str | None = None
    """What it was taken from: an address, or a path that starts at the WIT folder. None: somebody put it there."""

    fetched: Digest | None = None
    """Of what the address gave; a path has none."""


class Lock(_Entry):
    """All that is pinned."""

    schema_version: Literal[1] = Field(1, alias="schema")
    package: Annotated[tuple[Pin, ...], Strict(strict=False)] = ()


def read_lock(folder: Path) -> Lock:
    """Read the lock file of a WIT folder; one that is not there pins nothing.

    Raises:
        WitError: it is not a lock file.

    """
    path = folder / FILE_NAME
    try:
        return Lock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {error}"
        raise WitError(message, path=path) from error
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        message = f"{path} is not a lock file of this version of wisp"
        hint = "delete it, and write it anew with `wisp wit lock`"
        raise WitError(message, path=path, hint=hint) from error


def dumps(pins: Iterable[Pin]) -> str:
    """Write a lock file's text: sorted, each package once."""
    tables = []
    for pin in sorted(set(pins), key=lambda pin: (pin.name, pin.path)):
        keys = {
            "name": pin.name,
            "path": pin.path,
            "source": pin.source,
            "fetched": pin.fetched,
            "digest": pin.digest,
        }
        lines = [f"{key} = {write_text(value)}\n" for key, value in keys.items() if value is not None]
        tables.append("[[package]]\n" + "".join(lines))
    return "\n".join([_HEAD, *tables])


def digest(path: Path) -> str:
    """Return the digest of a file, or of the files of a folder with their names."""
    if not path.is_dir():
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    content = hashlib.sha256()
    for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        data = file.read_bytes()
        content.update(f"{file.relative_to(path).as_posix()}\0{len(data)}\0".encode() + data)
    return f"sha256:{content.hexdigest()}"
