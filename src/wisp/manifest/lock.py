"""The lock file `wisp.lock`: what an app takes from outside, pinned by digest.

It is TOML, so that people can read it in a review, and it is a function of its inputs: sorted, without times, hosts
or secrets. Two builds of the same sources give the same bytes, on any machine and in any profile; for that it holds
the pins of all profiles, and the dependencies of a folder of sources rather than of a component.

Digests of what is built here are not in it: they belong to the locked app.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from wisp.errors import ManifestError
from wisp.manifest import files
from wisp.manifest.checks import local_sources, registry_sources, remote_sources
from wisp.manifest.problems import shown
from wisp.manifest.toml import write_text
from wisp.manifest.values import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wisp.manifest.models import Manifest
    from wisp.manifest.references import Reference

FILE_NAME: Final = "wisp.lock"
"""The lock file's name, beside the manifest."""

_HEAD: Final = (
    "# What this app takes from outside, pinned by wisp. Keep it in version control; do not edit it.\n"
)
_SCHEMA: Final = 1


class PinLike(Protocol):
    """What a builder tells of one dependency: any object with these attributes."""

    @property
    def name(self) -> str:
        """The dependency's name."""

    @property
    def version(self) -> str:
        """The version that was chosen."""

    @property
    def hashes(self) -> Sequence[str]:
        """The files that may be installed for it, `sha256:<hex>`."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetched(_Entry):
    """A component that is fetched."""

    url: str
    digest: Digest


class Resolved(_Entry):
    """A component in an OCI registry, as a tag was understood once."""

    reference: str
    """As the manifest names it, without `oci://`."""

    manifest: Digest
    """Of what the registry has under that name."""

    component: Digest


class Dependency(_Entry):
    """One dependency of a folder of sources, at one version."""

    source: str
    """The folder, as the manifest names it."""

    name: str
    version: str
    hashes: Annotated[tuple[str, ...], Strict(strict=False)] = ()


class Lock(_Entry):
    """All that is pinned."""

    schema_version: Literal[1] = Field(1, alias="schema")
    fetched: Annotated[tuple[Fetched, ...], Strict(strict=False)] = ()
    resolved: Annotated[tuple[Resolved, ...], Strict(strict=False)] = ()
    dependency: Annotated[tuple[Dependency, ...], Strict(strict=False)] = ()

    def resolution(self, reference: Reference) -> Resolved | None:
        """Return what a reference was understood as."""
        return next((entry for entry in self.resolved if entry.reference == str(reference)), None)

    def pins(self, source: str) -> tuple[Dependency, ...]:
        """Return the dependencies of a folder, as the manifest names it."""
        return tuple(dependency for dependency in self.dependency if dependency.source == source)


def lock_path(manifest: Manifest) -> Path:
    """Return where a manifest's lock file is."""
    return manifest.folder / FILE_NAME


def read_lock(path: Path) -> Lock:
    """Read a lock file; one that is not there pins nothing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {shown(path)}: {error}"
        raise ManifestError(message, path=path) from error
    try:
        return loads(text)
    except ValueError as error:
        message = f"{shown(path)} is not a lock file of this version of wisp"
        hint = f"delete {shown(path)} and build again; it will be written anew"
        raise ManifestError(message, path=path, hint=hint) from error


def update(
    lock: Lock,
    manifest: Manifest,
    pins: Mapping[str, Iterable[PinLike]],
    resolved: Iterable[Resolved] = (),
) -> Lock:
    """Return the lock file that belongs to a manifest, after a build.

    Args:
        lock: What was pinned before.
        manifest: With all its profiles; what it no longer names is dropped.
        pins: By `source` as the manifest names it: the dependencies that were built with. Others stay as they were.
        resolved: What references were understood as. Others stay as they were.

    """
    named = set(local_sources(manifest.written))
    kept = [entry for entry in lock.dependency if entry.source in named and entry.source not in pins]
    built = [
        Dependency(source=source, name=pin.name, version=pin.version, hashes=tuple(sorted(set(pin.hashes))))
        for source, found in pins.items()
        for pin in found
    ]
    fetched = {Fetched(url=source.url, digest=source.digest) for source in remote_sources(manifest.written)}
    entries = {entry.reference: entry for entry in (*lock.resolved, *resolved)}
    references = {str(source) for source in registry_sources(manifest.written)}
    return Lock(
        fetched=tuple(fetched),
        resolved=tuple(entry for entry in entries.values() if entry.reference in references),
        dependency=tuple(kept + built),
    )


def write_lock(path: Path, lock: Lock, *, locked: bool = False) -> bool:
    """Write a lock file if its bytes change, whole or not at all, and return whether they did.

    A lock file that would pin nothing is removed, or not made.

    Raises:
        ManifestError: It would have to change, and `locked` forbids it; or it cannot be written.

    """
    before = read_lock(path)
    text = dumps(lock) if lock.fetched or lock.resolved or lock.dependency else ""
    if locked and dumps(before) != dumps(lock):
        message = f"{shown(path)} would have to change: {'; '.join(changes(before, lock))}"
        hint = "run it without --locked, look at the change, and keep it in version control"
        raise ManifestError(message, path=path, hint=hint)
    if locked or (path.read_text(encoding="utf-8") if path.exists() else "") == text:
        return False
    try:
        if text:
            files.write(path, text.encode())
        else:
            path.unlink()
    except OSError as error:
        message = f"cannot write {shown(path)}: {error.strerror}"
        raise ManifestError(message, path=path) from error
    return True


def changes(before: Lock, after: Lock) -> list[str]:
    """Say in words what differs between two lock files."""
    old, new = _words(before), _words(after)
    return [
        *(f"{words} is gone" for words in sorted(old.keys() - new.keys())),
        *(f"{words} is new" for words in sorted(new.keys() - old.keys())),
        *(
            f"{words} has other files"
            for words in sorted(old.keys() & new.keys())
            if old[words] != new[words]
        ),
    ]


def dumps(lock: Lock) -> str:
    """Write a lock file's text: sorted, each entry once."""
    fetched = sorted(set(lock.fetched), key=lambda entry: (entry.url, entry.digest))
    dependencies = sorted(
        set(lock.dependency), key=lambda entry: (entry.source, entry.name, entry.version, entry.hashes)
    )
    resolved = sorted(
        set(lock.resolved), key=lambda entry: (entry.reference, entry.manifest, entry.component)
    )
    tables = [
        *map(_fetched_table, fetched),
        *map(_resolved_table, resolved),
        *map(_dependency_table, dependencies),
    ]
    return "\n".join([f"{_HEAD}schema = {_SCHEMA}\n", *tables])


def loads(text: str) -> Lock:
    """Read a lock file's text; a `ValueError` if it is not one."""
    try:
        return Lock.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _fetched_table(entry: Fetched) -> str:
    return f"[[fetched]]\nurl = {write_text(entry.url)}\ndigest = {write_text(entry.digest)}\n"


def _resolved_table(entry: Resolved) -> str:
    return (
        f"[[resolved]]\nreference = {write_text(entry.reference)}\nmanifest = {write_text(entry.manifest)}\n"
        f"component = {write_text(entry.component)}\n"
    )


def _dependency_table(entry: Dependency) -> str:
    hashes = "".join(f"    {write_text(digest)},\n" for digest in entry.hashes)
    return (
        f"[[dependency]]\nsource = {write_text(entry.source)}\nname = {write_text(entry.name)}\n"
        f"version = {write_text(entry.version)}\nhashes = [" + (f"\n{hashes}" if hashes else "") + "]\n"
    )


def _words(lock: Lock) -> dict[str, tuple[str, ...]]:
    """Name each entry in words, with what of it the words do not say."""
    return {
        **{f"{entry.url} ({entry.digest})": () for entry in lock.fetched},
        **{f"{entry.reference} ({entry.manifest})": (entry.component,) for entry in lock.resolved},
        **{f"{entry.name} {entry.version} of {entry.source}": entry.hashes for entry in lock.dependency},
    }
