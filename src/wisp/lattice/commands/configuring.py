"""Changing what apps of a lattice are configured with, and seeing it reach their hosts.

A change makes a new version and has the record of the app name it, by compare-and-set: of two people who change something at once, the second one
begins again from what the first one wrote. Hosts follow the records of apps, so nobody has to be told.
"""

from __future__ import annotations

import base64
import secrets as randomness
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice import sealing, state
from wisp.lattice.commands import control
from wisp.lattice.commands.collecting import settled
from wisp.lattice.configuration import Configuration, Secret, about_value, key_for
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.records import App
from wisp.lattice.running.keyring import may_have, sealed_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wisp.lattice.commands.control import View
    from wisp.lattice.records import ObservedApp
    from wisp.lattice.state import State

    Edit = Callable[[Configuration], Configuration]

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an app's configuration, and the change of the app that brought it."""

    configuration: Configuration
    digest: str
    revision: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a configuration has come."""

    app: str
    digest: str | None
    hosts: Mapping[str, str | None]
    """By host that is to run the app: None when it serves it with this, else why it does not."""

    @property
    def missing(self) -> dict[str, str]:
        """The hosts where it is not in force, and why."""
        return {host: why for host, why in self.hosts.items() if why is not None}


@dataclass(frozen=True, slots=True)
class InForce:
    """The version of an app's configuration that is wanted, and those that its hosts answer with."""

    wanted: int
    hosts: Mapping[str, int | None]
    """By host that is to run the app; None where it is not known, or nothing answers."""

    @property
    def any(self) -> bool:
        """Whether the app was ever configured."""
        return bool(self.wanted or any(self.hosts.values()))


async def read(lattice: State, app: App) -> Configuration:
    """Return what an app is configured with; version 0 of nothing when it was never configured. Raises LatticeError."""
    if app.configuration is None:
        return Configuration(app=app.name, version=0, at=0, change="nothing")
    return Configuration.read(await lattice.objects.get(app.configuration))


async def change(lattice: State, name: str, edit: Edit) -> App:
    """Configure an app anew, and return its new record; the same one when nothing has changed. Raises LatticeError."""
    for _ in range(control.ATTEMPTS):
        app, revision = await control.current(lattice, name)
        before = await read(lattice, app)
        wanted = edit(before)
        if _same(wanted, before):
            return app
        if (changed := await _written(lattice, app, revision, _following(wanted, before))) is not None:
            return changed
    message = f"others change the app {name} all the time"
    raise LatticeError(message, hint="try again")


async def set_secret(lattice: State, name: str, secret: str, value: str) -> App:
    """Set a secret of an app for all hosts that may run it, and return its new record. Raises LatticeError."""
    for _ in range(control.ATTEMPTS):
        app, revision = await control.current(lattice, name)
        key, made = randomness.token_bytes(_KEY_BYTES), randomness.token_hex(16)
        await _seal(lattice, app, made, key)
        before = await read(lattice, app)
        encrypted = sealing.encrypt(value.encode(), key, about_value(name, secret, made))
        new = Secret(id=made, value=base64.b64encode(encrypted).decode(), at=_now())
        wanted = before.model_copy(
            update={"secrets": {**before.secrets, secret: new}, "change": f"set the secret {secret}"}
        )
        if (changed := await _written(lattice, app, revision, _following(wanted, before))) is not None:
            # Once more, now that a record names it: see `collecting`.
            await _seal(lattice, changed, made, key)
            return changed
    message = f"others change the app {name} all the time"
    raise LatticeError(message, hint="try again")


async def history(lattice: State, name: str) -> list[Version]:
    """Return the versions that the record of an app remembers, the oldest first. Raises LatticeError."""
    now, _ = await control.current(lattice, name)
    found: dict[str, Version] = {}
    for value in await lattice.desired.history(f"app.{name}"):
        app = App.read(value)
        digest = app.configuration
        if digest and digest not in found and app.since == now.since:
            found[digest] = Version(await read(lattice, app), digest, app.revision)
    return list(found.values())


async def rollback(lattice: State, name: str, to: int) -> App:
    """Configure an app as it was in a version, as a new version. Raises LatticeError."""
    known = {one.configuration.version: one.configuration for one in await history(lattice, name)}
    if to not in known:
        message = f"the lattice remembers no version {to} of the configuration of {name}"
        versions = ", ".join(map(str, known)) or "none"
        raise LatticeError(message, hint=f"it has {versions}; `wisp config history {name}` lists them")
    earlier = known[to]
    update = {
        "values": earlier.values,
        "components": earlier.components,
        "secrets": earlier.secrets,
        "change": f"went back to version {to}",
    }
    return await change(lattice, name, lambda before: before.model_copy(update=update))


async def until_in_force(
    lattice: State, name: str, limit: float, tell: Callable[[Reached], None], soon: float
) -> Reached:
    """Wait until every host of an app serves it with what it is configured with, or for so many seconds.

    Args:
        lattice: Where.
        name: The app.
        limit: Seconds.
        tell: Told once how far it has come, when it is not in force everywhere yet after `soon`.
        soon: Seconds.

    """
    began = time.monotonic()
    view = await control.until(lattice, lambda view: not reached(view, name).missing, min(soon, limit))
    if (found := reached(view, name)).missing and limit > soon:
        tell(found)
        left = limit - (time.monotonic() - began)
        view = await control.until(lattice, lambda view: not reached(view, name).missing, max(0.0, left))
    return reached(view, name)


def reached(view: View, name: str) -> Reached:
    """Return how far the newest configuration of an app has come."""
    app = view.apps.get(name)
    digest = app.configuration if app else None
    hosts = {
        host: _why_not(view, name, host, digest) for one in view.versions(name) for host in one.everywhere
    }
    return Reached(name, digest, dict(sorted(hosts.items())))


async def in_force(lattice: State, view: View, app: App) -> InForce:
    """Return which versions of its configuration an app has, and where. Raises LatticeError."""
    hosts = [host for placed in view.versions(app.name) for host in placed.everywhere]
    said = {host: view.said(app.name, host) for host in hosts}
    digests = {one.configuration for one in said.values() if one is not None}
    known = {digest: await _version(lattice, digest) for digest in {*digests, app.configuration}}
    return InForce(
        known[app.configuration] or 0,
        {host: known[one.configuration] if one and one.running else None for host, one in said.items()},
    )


async def _version(lattice: State, digest: str | None) -> int | None:
    """Return the number of a version; None for one that was removed as nobody needs it any more."""
    if digest is None:
        return 0
    if not await lattice.objects.has(digest):
        return None
    return Configuration.read(await lattice.objects.get(digest)).version


def _why_not(view: View, app: str, host: str, digest: str | None) -> str | None:
    if host not in view.hosts:
        return "it does not answer"
    said: ObservedApp | None = view.said(app, host)
    if said is None or said.configuration != digest:
        return (said.error if said else None) or "it has not said that it has it"
    return None if said.running else said.error or "it does not run"


async def _seal(lattice: State, app: App, secret: str, key: bytes) -> None:
    """Seal the key to a secret to every host that may run the app."""
    hosts = may_have(app, state.hosts(await lattice.live.entries("host.*")))
    if not hosts:
        message = f"no host that may run {app.name} is there, so nobody could open the secret"
        raise LatticeError(message, hint="`wisp hosts` lists those that are there")
    for host in hosts:
        sealed = sealed_to(host, key, app=app.name, secret=secret)
        await lattice.desired.put(key_for(app.name, secret, host.name), sealed.to_bytes())


async def _written(lattice: State, app: App, revision: int, configuration: Configuration) -> App | None:
    """Have the record of an app name a configuration; None when somebody else has changed it."""
    content = configuration.to_bytes()
    digest = digest_of(content)
    update = {"revision": app.revision + 1, "configuration": digest}
    changed = await control.newer(lattice, app.model_copy(update=update))

    async def write() -> App:
        await lattice.desired.update(f"app.{app.name}", changed.to_bytes(), revision)
        return changed

    try:
        return await settled(lattice, {digest: lambda: content}, write)
    except Conflict:
        return None


def _following(wanted: Configuration, before: Configuration) -> Configuration:
    return wanted.model_copy(update={"version": before.version + 1, "at": _now()})


def _same(one: Configuration, other: Configuration) -> bool:
    return (one.values, one.components, one.secrets) == (other.values, other.components, other.secrets)


def _now() -> int:
    return time.time_ns() // 1_000_000
