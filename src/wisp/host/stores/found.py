"""What stores there are in the state of an app.

    <state>/<kind>/<name>.db        SQLite: key-value stores, databases, messages
    <state>/blobstore/<container>/  blobs, one file each

The core makes these files (`capability/database.rs`, `capability/blobstore.rs`); both sides keep to the same names and locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOBS: Final = "blobstore"

PATIENCE: Final = 30.0
"""Seconds that another process may hold what we need."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_SUFFIX: Final = ".db"
_BLOCK: Final = 4096
"""What an object counts at least, and is rounded up to."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of store in SQLite."""

    application: int | None
    """What stands in each file; None when that is the guest's affair."""

    newest: int | None
    """The newest format that we know; None when the tables are the guest's own."""


KINDS: Final = {
    "keyvalue": Kind(0x7769_6B76, 1),
    "messaging": Kind(0x7769_6D67, 1),
    "sqlite": Kind(None, None),
}
"""By the folder's name. The numbers are those of the core."""


@dataclass(frozen=True, slots=True)
class Store:
    """One store."""

    kind: str
    name: str
    path: Path
    """A file, or for blobs a folder."""

    @property
    def title(self) -> str:
        """How commands call it."""
        return f"{self.kind}/{self.name}"

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        if self.kind == BLOBS:
            return sum(file.stat().st_size for file in objects(self.path))
        beside = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in beside if file.exists())

    @property
    def charged(self) -> int:
        """How many of these bytes count against what it may have."""
        return charge(self.path) if self.kind == BLOBS else self.path.stat().st_size


def charge(container: Path) -> int:
    """Return what the objects of a container count together, as the core has it (`blobstore/folder.rs`)."""
    return sum(-(-max(file.stat().st_size, 1) // _BLOCK) * _BLOCK for file in objects(container))


def stores(state: Path) -> list[Store]:
    """Find all stores in the state of an app, sorted."""
    found = [
        Store(kind, file.name.removesuffix(_SUFFIX), file)
        for kind in KINDS
        for file in (state / kind).glob(f"*{_SUFFIX}")
        if file.is_file() and _NAME.fullmatch(file.name.removesuffix(_SUFFIX))
    ]
    folders = (state / BLOBS).iterdir() if (state / BLOBS).is_dir() else ()
    found += [
        Store(BLOBS, urllib.parse.unquote(folder.name), folder)
        for folder in folders
        if folder.is_dir() and not folder.name.startswith(".")
    ]
    return sorted(found, key=lambda store: (store.kind, store.name))


def named(state: Path, title: str) -> Store:
    """Return the store of this title, `kind/name`, whether or not it is there.

    Raises:
        StoreError: it cannot be one.

    """
    kind, _, name = title.partition("/")
    if kind == BLOBS and name:
        return Store(kind, name, state / BLOBS / file_name(name))
    if kind in KINDS and _NAME.fullmatch(name):
        return Store(kind, name, state / kind / f"{name}{_SUFFIX}")
    message = f"`{title}` is not a store"
    raise StoreError(message, hint=f"a store is written as KIND/NAME; kinds are {', '.join([BLOBS, *KINDS])}")


def file_name(name: str) -> str:
    """Return the name of the file of an object or container, as the core has it (`blobstore/name.rs`)."""
    letters = [
        f"%{ord(letter):02X}"
        if ord(letter) < ord(" ") or letter in "/%\\\x7f" or (index == 0 and letter == ".")
        else letter
        for index, letter in enumerate(name)
    ]
    file = "".join(letters)
    if not 0 < len(file.encode("utf-8", errors="surrogatepass")) <= 250:  # noqa: PLR2004 - the core's number
        message = "the name of an object or container has 1 to 250 bytes"
        raise StoreError(message)
    return file


def objects(container: Path) -> list[Path]:
    """Return the files of a container's objects, sorted."""
    return sorted(
        file
        for file in container.iterdir()
        if file.is_file() and not file.is_symlink() and not file.name.startswith(".")
    )


def connect(store: Store, *, writing: bool = False) -> sqlite3.Connection:
    """Open the database of a store that is there. Raises StoreError."""
    uri = f"{store.path.absolute().as_uri()}?mode={'rw' if writing else 'ro'}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        raise failure(store, error) from error
    return connection


def failure(store: Store, error: sqlite3.Error | OSError) -> StoreError:
    """Say what went wrong with a store."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return StoreError(f"{store.title}: {reason}")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock that the core holds while it makes or upgrades a file in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds the lock of something that is being written, so that it was left behind."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def sync_folder(folder: Path) -> None:
    """Bring what was renamed in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
