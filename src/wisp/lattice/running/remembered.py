"""What a host remembers of its lattice, in a folder of its own: enough to go on, and to start again, without NATS.

    token             tells this host from another one with its name
    identity.json     which lattice it belongs to
    assignment.json   the newest that it knew
    desired.json      what was deployed, as far as it was ever seen: to be written back when NATS has lost it
    locked/<hex>.json locked apps, by digest
    folders/<hex>/    folders that apps read, by digest, and beside each the tar that it came as
    xkey              its key for secrets
    configurations/<hex>.json   what apps were configured with, by digest; secrets are encrypted in it
    fetched/<hex>     that this host has brought a component into the cache
    sealed/<id>.json  the keys to those secrets, sealed to this host
    apps/APP/         where an app's commands would run and its relative paths start
    state/APP/        its stores
    identity/         its certificate, for other hosts
    peer-port         where they connect, if any port would do
    lock              held while the host runs

Components and what they were compiled to are in the cache, as those of `wisp up` are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from typing import TYPE_CHECKING

from wisp.errors import LatticeError
from wisp.lattice import sealing
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.records import App, Assignment, Identity, Record
from wisp.registry import files
from wisp.registry.cache import hex_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Desired(Record):
    """What was deployed."""

    apps: tuple[App, ...]


class Remembered:
    """The folder of one host in one lattice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder while the block runs. Raises LatticeError when another host does, ArtifactError."""
        with files.explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"another host runs with the folder {self.folder}"
                raise LatticeError(message, hint="give this one another --name, or another --data") from error
            yield
        finally:
            os.close(descriptor)

    def token(self) -> str:
        """Return what tells this host from others, the same each time. Raises ArtifactError."""
        file = self.folder / "token"
        with contextlib.suppress(FileNotFoundError):
            return file.read_text(encoding="ascii").strip()
        made = secrets.token_hex(16)
        files.write(file, f"{made}\n".encode())
        return made

    def identity(self) -> Identity | None:
        """Return the lattice that this host belongs to; None for a host that is new."""
        return Identity.read(found) if (found := self._read("identity.json")) else None

    def keep_identity(self, identity: Identity) -> None:
        """Belong to a lattice from now on. Raises ArtifactError."""
        files.write(self.folder / "identity.json", identity.to_bytes())

    def assignment(self) -> Assignment | None:
        """Return the newest assignment that this host knew, if it can be read."""
        with contextlib.suppress(LatticeError, OSError):
            return Assignment.read(found) if (found := self._read("assignment.json")) else None
        return None

    def keep_assignment(self, assignment: Assignment) -> None:
        """Remember an assignment. Raises ArtifactError."""
        files.write(self.folder / "assignment.json", assignment.to_bytes())

    def desired(self) -> dict[str, App]:
        """Return what was deployed, by name, as far as this host has ever seen it."""
        with contextlib.suppress(LatticeError, OSError):
            return (
                {app.name: app for app in Desired.read(found).apps}
                if (found := self._read("desired.json"))
                else {}
            )
        return {}

    def keep_desired(self, apps: Mapping[str, App]) -> None:
        """Remember what was deployed: newer records in place of older ones. What is not there any more is kept. Raises ArtifactError."""
        known = self.desired()
        newer = {
            name: app
            for name, app in apps.items()
            if name not in known or known[name].revision < app.revision
        }
        if newer:
            merged = {**known, **newer}
            content = Desired(apps=tuple(merged[name] for name in sorted(merged))).to_bytes()
            files.write(self.folder / "desired.json", content)

    def locked(self, digest: str) -> bytes | None:
        """Return a locked app, if it is there and is what its digest says."""
        content = self._read(self.locked_path(digest))
        return content if content is not None and digest_of(content) == digest else None

    def locked_path(self, digest: str) -> Path:
        """Return where a locked app is, whether it is there or not."""
        return self.folder / "locked" / f"{hex_of(digest)}.json"

    def packed_path(self, digest: str) -> Path:
        """Return where a folder of apps is as one file, whether it is there or not."""
        return self.folder / "folders" / f"{hex_of(digest)}.tar"

    def unpacked_path(self, digest: str) -> Path:
        """Return where a folder of apps is, whether it is there or not."""
        return self.folder / "folders" / hex_of(digest)

    def keep_locked(self, content: bytes) -> None:
        """Remember a locked app. Raises ArtifactError."""
        files.write(self.locked_path(digest_of(content)), content)

    def note_fetched(self, digest: str) -> None:
        """Remember that this host has brought a component into the cache. Raises ArtifactError."""
        files.write(self.folder / "fetched" / hex_of(digest), b"")

    def secret_key(self) -> bytes:
        """Return the secret bytes of the host's key for secrets, the same each time. Raises ArtifactError."""
        if found := self._read("xkey"):
            return found
        made = sealing.new_secret()
        files.write(self.folder / "xkey", made)
        return made

    def configuration(self, digest: str) -> bytes | None:
        """Return a configuration, if it is there and is what its digest says."""
        content = self._read(f"configurations/{hex_of(digest)}.json")
        return content if content is not None and digest_of(content) == digest else None

    def keep_configuration(self, content: bytes) -> None:
        """Remember a configuration. Raises ArtifactError."""
        files.write(self.folder / "configurations" / f"{hex_of(digest_of(content))}.json", content)

    def sealed(self, secret: str) -> bytes | None:
        """Return the record of the key to a secret, as it is in the bucket."""
        return self._read(f"sealed/{secret}.json") if secret.isalnum() else None

    def keep_sealed(self, secret: str, record: bytes) -> None:
        """Remember the key to a secret. Raises ArtifactError."""
        files.write(self.folder / "sealed" / f"{secret}.json", record)

    def _read(self, name: str | Path) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_bytes()
        return None
