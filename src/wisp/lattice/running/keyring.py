"""The keys to secrets that a host has: opening what an app was configured with, and letting other hosts open it too.

The key to each secret is sealed to each host that may run the app (`wisp.lattice.sealing`). A host that joins, or that may run an app from now
on, finds none for itself. It asks, and one of the hosts that have the key seals it to the one that asks: to the public key in the record of the
lease that it holds, after it has seen that this host may run the app. So nothing is told but into the bucket, and whoever asks gets nothing that
it may not have.

A host asks when it joins and whenever an app changes, not only when it is to run it: those that could help may be gone then. What it has
opened once it can open again without NATS: sealed keys and configurations are kept on its disk as they are in the bucket.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
from typing import TYPE_CHECKING, Final

from pydantic import Field

from wisp.errors import LatticeError
from wisp.lattice import sealing
from wisp.lattice.configuration import (
    UNCONFIGURED,
    Configuration,
    Configured,
    Sealed,
    about_key,
    about_value,
    key_for,
)
from wisp.lattice.nats.requests import Nobody
from wisp.lattice.records import App, HostRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.lattice.nats.requests import Answering
    from wisp.lattice.running.remembered import Remembered
    from wisp.lattice.state import State

PATIENCE: Final = 2.0
"""Seconds in which another host has to answer."""


class _Wanted(Record):
    """What a host asks for: the keys to secrets of an app."""

    host: str
    secrets: tuple[str, ...] = Field(max_length=1000)


class Keyring:
    """The keys of one host."""

    def __init__(self, host: str, remembered: Remembered) -> None:
        self.host = host
        self._remembered = remembered
        self._answering: dict[str, Answering] = {}

    @property
    def public(self) -> str:
        """The public part of the host's key."""
        return self._key.public

    @functools.cached_property
    def _key(self) -> sealing.Key:
        return sealing.Key.of(self._remembered.secret_key())

    async def configured(self, app: str, digest: str | None, lattice: State | None) -> Configured:
        """Return a configuration of an app with its secrets. Raises LatticeError."""
        if digest is None:
            return UNCONFIGURED
        configuration = await self._configuration(digest, lattice)
        if configuration.app != app:
            message = f"the configuration {digest} is one of the app {configuration.app}, not of {app}"
            raise LatticeError(message)
        found = {}
        for name, secret in configuration.secrets.items():
            try:
                key = await self._secret_key(app, secret.id, lattice)
                value = sealing.decrypt(secret.encrypted, key, about_value(app, name, secret.id))
            except LatticeError as error:
                message = f"there is no secret {name}: {error.message}"
                raise LatticeError(message, hint=f"set it again: `wisp secret set {app} {name}`") from error
            found[name] = value.decode()
        return Configured(configuration, found)

    async def complete(self, apps: Iterable[App], me: HostRecord, lattice: State) -> bool:
        """Get the keys that this host may have and has not, and be there for others who want those that it has.

        Returns whether it has them all. Raises LatticeError, ArtifactError.
        """
        able: set[str] = set()
        complete = True
        for app in apps:
            if app.deleted or app.configuration is None:
                continue
            may = me.may_run(app)
            try:
                # A host that has the keys, and may not run the app any more, may be the last one that can pass them on.
                configured = await self.configured(app.name, app.configuration, lattice if may else None)
            except LatticeError:
                complete = complete and not may  # why is said when it is to run the app
            else:
                able |= {app.name} if configured.secrets else set()
        for name in self._answering.keys() - able:
            await self._answering.pop(name).stop()
        for name in able - self._answering.keys():
            handler = functools.partial(self._seal, name, lattice)
            self._answering[name] = await lattice.requests.answer(f"keys.{name}", handler)
        return complete

    def forget(self) -> None:
        """Forget that others were answered: the connection has ended."""
        self._answering.clear()

    async def _configuration(self, digest: str, lattice: State | None) -> Configuration:
        content = await asyncio.to_thread(self._remembered.configuration, digest)
        if content is None:
            if lattice is None:
                message = f"NATS is away, and the configuration {digest} is not on this host yet"
                raise LatticeError(message)
            content = await lattice.objects.get(digest)
            await asyncio.to_thread(self._remembered.keep_configuration, content)
        return Configuration.read(content)

    async def _secret_key(self, app: str, secret: str, lattice: State | None) -> bytes:
        """Return the key to a secret: from the disk, from the bucket, or once another host has put it there."""
        known = await asyncio.to_thread(self._remembered.sealed, secret)
        if known is not None and (key := self._opened(app, secret, known)):
            return key
        if lattice is None:
            raise LatticeError("NATS is away, and its key is not on this host yet")
        for attempt in range(2):
            found = await lattice.desired.get(key_for(app, secret, self.host))
            if found is not None and (key := self._opened(app, secret, found.value)):
                await asyncio.to_thread(self._remembered.keep_sealed, secret, found.value)
                return key
            if attempt == 0:
                await self._ask(app, secret, lattice)
        raise LatticeError("its key is sealed to another key of this host")

    def _opened(self, app: str, secret: str, record: bytes) -> bytes | None:
        with contextlib.suppress(LatticeError):
            sealed = Sealed.read(record)
            if sealed.public == self.public:
                return self._key.open(sealed.content, about_key(app, secret, self.host))
        return None

    async def _ask(self, app: str, secret: str, lattice: State) -> None:
        wanted = _Wanted(host=self.host, secrets=(secret,))
        try:
            await lattice.requests.ask(f"keys.{app}", wanted.to_bytes(), PATIENCE)
        except Nobody as error:
            message = "its key was not sealed to this host, and no host that has it is there"
            raise LatticeError(message) from error

    async def _seal(self, app: str, lattice: State, content: bytes) -> bytes:
        """Seal keys to the host that asks for them. Raises LatticeError."""
        wanted = _Wanted.read(content)
        record, found = (
            await lattice.live.get(f"host.{wanted.host}"),
            await lattice.desired.get(f"app.{app}"),
        )
        if record is None or found is None:
            message = f"there is no host {wanted.host}, or no app {app}"
            raise LatticeError(message)
        host = HostRecord.read(record.value)
        if host.xkey is None or not host.may_run(App.read(found.value)):
            message = f"host {wanted.host} may not run {app}"
            raise LatticeError(message)
        for secret in wanted.secrets:
            known = await asyncio.to_thread(self._remembered.sealed, secret)
            key = self._opened(app, secret, known) if known is not None else None
            if key is None:
                raise LatticeError("its key is not on the host that was asked")
            await lattice.desired.put(
                key_for(app, secret, wanted.host), sealed_to(host, key, app=app, secret=secret).to_bytes()
            )
        return b"sealed"


def sealed_to(host: HostRecord, key: bytes, *, app: str, secret: str) -> Sealed:
    """Seal the key to a secret to a host. Raises LatticeError."""
    public = host.xkey or ""
    sealed = sealing.seal(key, public, about_key(app, secret, host.name))
    return Sealed(host=host.name, public=public, key=base64.b64encode(sealed).decode())


def may_have(app: App, hosts: Mapping[str, HostRecord]) -> list[HostRecord]:
    """Return the hosts that may have the secrets of an app: those that may run it."""
    return [host for host in hosts.values() if host.xkey is not None and host.may_run(app)]
