"""Serving an app of an OCI registry: `wisp up ghcr.io/acme/shop:1.2`.

What was pulled stays below the user's state folder, by digest, beside the stores of the app, which outlive its versions:

    ${XDG_STATE_HOME:-~/.local/state}/wisp/ghcr.io/acme/shop/apps/<digest>/
    ${XDG_STATE_HOME:-~/.local/state}/wisp/ghcr.io/acme/shop/state/

A version that a process serves is held by it, with a lock on its folder; of the others the last three that were used stay.

A tag is looked up whenever the app is prepared, at the start and at a reload. A digest that was pulled needs no registry. Whether its
signatures are enough is asked every time: a policy may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.cli.pull import app_into, component_into
from wisp.cli.registries import accessible, gate
from wisp.errors import ManifestError, RegistryError
from wisp.manifest import load
from wisp.registry.cache import hex_of
from wisp.registry.oci import apps, components
from wisp.registry.signing import signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client, Found


KEPT: Final = 3
"""Versions of an app that stay here."""

HELD_AT_ONCE: Final = 8
"""Versions that one process holds: those that it serves, and those before, which may still be in use by workers that end."""

_HELD: dict[Path, list[int]] = {}
"""By folder of versions: what this process holds, until it ends."""


@dataclass(frozen=True, slots=True)
class RemoteApp:
    """An app of a registry, on this machine."""

    path: Path
    """What takes the place of the reference on the command line."""

    state: Path
    """Where its stores are, unless somebody says otherwise."""

    reference: Reference
    """With the digest that the tag meant."""


async def fetched(reference: Reference, options: PrepareOptions, report: Callable[[str], None]) -> RemoteApp:
    """Return an app of a registry, which is on this machine afterwards.

    Raises:
        WispError: it cannot be had, or cannot be served like this.

    """
    home = _home(reference)
    admitting = gate(options)
    path = _place(home, reference.digest) if reference.digest is not None else None
    admitted = path is not None and (not admitting.asks(reference) or admitting.known(reference) is not None)
    digest = reference.digest or ""
    if path is None or not admitted or not path.exists():
        async with accessible(options, report) as client:
            report(f"pulling {reference}")
            found = await components.image(client, reference, admitting)
            digest, path = found.digest, _place(home, found.digest)
            if not path.exists():
                await _pull(client, found, path)
    await asyncio.to_thread(_require_nothing_written, path, reference)
    await asyncio.to_thread(_keep_few, path)
    return RemoteApp(await asyncio.to_thread(_served, path), home / "state", reference.at(digest))


def _keep_few(path: Path) -> None:
    """Hold a version, and remove those that were not used for long and that nobody holds."""
    os.utime(path)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(folder, fcntl.LOCK_SH)
    held = _HELD.setdefault(path.parent, [])
    held.append(folder)
    for gone in held[:-HELD_AT_ONCE]:
        os.close(gone)
    del held[:-HELD_AT_ONCE]
    versions = [entry for entry in path.parent.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    for old in sorted(versions, key=lambda entry: entry.stat().st_mtime, reverse=True)[KEPT:]:
        with contextlib.suppress(OSError):
            _remove_unheld(old)


def _remove_unheld(version: Path) -> None:
    """Remove a version. Raises OSError when somebody holds it."""
    folder = os.open(version, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Under its name it is there whole or not at all.
        aside = version.rename(version.with_name(f".gone-{version.name}"))
        shutil.rmtree(aside)
    finally:
        os.close(folder)


async def evidence(
    reference: Reference, options: PrepareOptions, report: Callable[[str], None]
) -> str | None:
    """Return what speaks for an artifact, pinned to its digest, for the policies of other hosts; None if nobody can say now.

    Raises:
        SignatureError: our own policy refuses it.

    """
    from wisp.lattice.records import MOST_EVIDENCE  # noqa: PLC0415 - only a lattice has it

    found = gate(options).known(reference)
    with contextlib.suppress(RegistryError):
        if found is None:
            async with accessible(options, report) as client:
                found = await signatures.gather(client, *await components.resolve(client, reference))
    text = found.to_bytes().decode() if found is not None else ""
    return text if 0 < len(text) <= MOST_EVIDENCE else None


async def _pull(client: Client, found: Found, place: Path) -> None:
    if apps.is_app(found):
        await app_into(client, found, place)
        return
    await asyncio.to_thread(lambda: place.parent.mkdir(parents=True, exist_ok=True))
    beside = place.with_name(f".{place.name}")
    await asyncio.to_thread(lambda: beside.mkdir(exist_ok=True))
    await component_into(client, found, beside)
    await asyncio.to_thread(beside.rename, place)


def _served(place: Path) -> Path:
    """Return the folder of an app, or the file of a component."""
    alone = list(place.glob("*.wasm"))
    return alone[0] if alone and not (place / "wisp.toml").exists() else place


def _require_nothing_written(place: Path, reference: Reference) -> None:
    """Refuse an app that writes into folders beside its manifest: the next version would not find them."""
    manifest = load.load(place)
    written = [
        grant.source
        for component in (manifest.component.values() if manifest else ())
        for grant in component.grants.files
        if grant.write
    ]
    if written:
        message = f"{reference} writes to its folder {written[0]}, which has no place on this machine yet"
        raise ManifestError(message, hint=f"`wisp pull {reference} -o FOLDER`, then `wisp up FOLDER`")


def _home(reference: Reference) -> Path:
    shared = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    above = Path(shared) if shared.startswith("/") else Path.home() / ".local" / "state"
    return above / "wisp" / reference.registry / reference.repository


def _place(home: Path, digest: str) -> Path:
    return home / "apps" / hex_of(digest)
