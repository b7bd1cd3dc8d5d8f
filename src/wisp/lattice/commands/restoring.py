"""Writing back what NATS has lost, from what one host remembers.

It can be done from several hosts, one after the other: what is there already is left as it is, unless a host remembers a later
record, as when NATS was set back to a copy of its data. The identity of the lattice is written
last, because hosts wait for it: when they come back, what is wanted is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.errors import ArtifactError, LatticeError
from wisp.lattice.configuration import Configuration, Sealed, key_for
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.records import App
from wisp.lattice.running import folders
from wisp.lattice.running.preparing import read_locked
from wisp.lattice.state import ASSIGNMENT, IDENTITY

if TYPE_CHECKING:
    from wisp.lattice.running.remembered import Remembered
    from wisp.lattice.state import State
    from wisp.registry.cache import Cache


@dataclass(frozen=True, slots=True)
class Restored:
    """What was written back."""

    apps: tuple[str, ...]
    """Of which records were missing, or older ones were there."""

    incomplete: tuple[str, ...]
    """Apps of which this host has not all components: another host may have them."""


async def restore(lattice: State, remembered: Remembered, cache: Cache) -> Restored:
    """Write back what a lattice has lost and a host remembers. Raises LatticeError, ArtifactError."""
    identity = remembered.identity()
    if identity is None:
        message = f"no host of the lattice {lattice.name} remembers anything in {remembered.folder}"
        raise LatticeError(message, hint="say which host of this machine it is, with --name or --data")
    if lattice.identity not in {None, identity}:
        message = f"NATS has another lattice {lattice.name}, which is in use"
        raise LatticeError(message, hint="remove its buckets first, if it is to be replaced")
    written: list[str] = []
    incomplete: list[str] = []
    for app in remembered.desired().values():
        if not app.deleted and not all(
            (await _objects(lattice, app, remembered, cache), await _configuration(lattice, app, remembered))
        ):
            incomplete.append(app.name)
        if await _renewed(lattice, app) and not app.deleted:
            written.append(app.name)
    if assignment := remembered.assignment():
        await _created(lattice, ASSIGNMENT, assignment.to_bytes())
    await _created(lattice, IDENTITY, identity.to_bytes())
    return Restored(tuple(written), tuple(incomplete))


async def _renewed(lattice: State, app: App) -> bool:
    """Write an app's record, unless NATS has this one or a later one; whether it was written."""
    key = f"app.{app.name}"
    found = await lattice.desired.get(key)
    if found is None:
        return await _created(lattice, key, app.to_bytes())
    with contextlib.suppress(Conflict):
        if App.read(found.value).revision < app.revision:
            await lattice.desired.update(key, app.to_bytes(), found.revision)
            return True
    return False


async def _created(lattice: State, key: str, value: bytes) -> bool:
    with contextlib.suppress(Conflict):
        await lattice.desired.create(key, value)
        return True
    return False


async def _objects(lattice: State, app: App, remembered: Remembered, cache: Cache) -> bool:
    """Write back the locked app and its components; returns whether all are there then."""
    content = remembered.locked(app.digest)
    if content is None:
        return await lattice.objects.has(app.digest)
    await lattice.objects.put(content)
    complete = True
    locked = read_locked(content)
    for digest in folders.digests(locked):
        packed = remembered.packed_path(digest)
        if packed.is_file():
            await lattice.objects.put(await asyncio.to_thread(packed.read_bytes))
        else:
            complete = complete and await lattice.objects.has(digest)
    for component in locked.components.values():
        try:
            await lattice.objects.put(await asyncio.to_thread(cache.read, component.digest))
        except ArtifactError:
            complete = complete and await lattice.objects.has(component.digest)
    return complete


async def _configuration(lattice: State, app: App, remembered: Remembered) -> bool:
    """Write back what the app is configured with, and the keys to its secrets that this host has; returns whether it is there then."""
    if app.configuration is None:
        return True
    content = remembered.configuration(app.configuration)
    if content is None:
        return await lattice.objects.has(app.configuration)
    await lattice.objects.put(content)
    for secret in Configuration.read(content).secrets.values():
        if record := remembered.sealed(secret.id):
            await _created(lattice, key_for(app.name, secret.id, Sealed.read(record).host), record)
    return True
