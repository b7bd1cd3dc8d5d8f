"""Requests for apps that other hosts run: what this host's workers are told, so that they can send them on.

Workers need a certificate of the lattice for this host, the names of hosts that were revoked, whose own certificates may be good for a
while, and a table: which hosts run which apps, and by which routes. The table is made of the newest assignment that this host knows and of
locked apps, which it has on its disk; so it is there without NATS, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from typing import TYPE_CHECKING, Final, cast

from wisp.errors import ArtifactError, WispError
from wisp.host.address import Address
from wisp.host.clashes import first_speaks
from wisp.lattice.membership import trust
from wisp.lattice.membership.identity import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE
from wisp.registry import files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from wisp.host.log import Log
    from wisp.host.settings import JsonObject
    from wisp.lattice.records import Assignment, Placed
    from wisp.manifest.locked import LockedApp, LockedRoute

    Locked = Callable[[Placed], Awaitable[LockedApp]]
    """Gives the locked app of a version, or raises WispError."""

PORT: Final = "peer-port"
RESPONSE_TIMEOUT_MS: Final = 30_000
"""What an answer may take that needs no component."""


class ShownIdentity:
    """What a host shows to others of its identity (`membership/identity.py`), as workers find it, and to whom it shows nothing."""

    def __init__(self, folder: Path, host: str, lattice: str) -> None:
        self._folder = folder
        self._host = host
        self._lattice = lattice
        self._revoked: Sequence[str] = ()

    def refresh(self) -> None:
        """Know who was revoked, as the lattice's authority says it now. Raises LatticeError."""
        believed = trust.read(self._folder)
        self._revoked = sorted(believed.known().gone) if believed else ()

    @property
    def exists(self) -> bool:
        """Whether the host has one."""
        return all((self._folder / name).is_file() for name in (AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE))

    def document(self) -> JsonObject:
        """Return it as workers are told it; the generation is another one when the certificate is."""
        return {
            "host": self._host,
            "lattice": self._lattice,
            "generation": (self._folder / CERTIFICATE_FILE).stat().st_mtime_ns,
            "ca": str(self._folder / AUTHORITY_FILE),
            "certificate": str(self._folder / CERTIFICATE_FILE),
            "key": str(self._folder / KEY_FILE),
            "revoked": list(self._revoked),
        }


class Onward:
    """What workers of one host are told about the others."""

    def __init__(self, identity: ShownIdentity, host: str, log: Log) -> None:
        self._identity = identity
        self._host = host
        self._log = log
        self._numbers = itertools.count(1)
        self._apps: dict[str, LockedApp] = {}
        self._unknown: dict[str, str] = {}
        """By digest: why a locked app is not known, as it was logged."""

    async def learn(self, assignment: Assignment, locked: Locked) -> None:
        """Get to know the routes of all apps that run somewhere. What cannot be known now is left out of the table."""
        wanted = {placed.digest: placed for placed in assignment.apps}
        self._apps = {digest: app for digest, app in self._apps.items() if digest in wanted}
        self._unknown = {digest: why for digest, why in self._unknown.items() if digest in wanted}
        missing = [digest for digest in wanted if digest not in self._apps]
        found = await asyncio.gather(*(locked(wanted[digest]) for digest in missing), return_exceptions=True)
        for digest, app in zip(missing, found, strict=True):
            if isinstance(app, WispError):
                self._complain(wanted[digest].app, digest, app)
            elif isinstance(app, BaseException):
                raise app
            else:
                self._apps[digest] = app
                self._unknown.pop(digest, None)

    @property
    def incomplete(self) -> bool:
        """Whether there are apps whose routes are not known."""
        return bool(self._unknown)

    def _complain(self, app: str, digest: str, error: WispError) -> None:
        if self._unknown.get(digest) != error.message:
            message = f"requests for the app {app} are not sent to its hosts: {error.message}"
            self._log.event("route-unknown", message, level="warn", app=app)
        self._unknown[digest] = error.message

    def document(self, assignment: Assignment | None, served: Collection[str]) -> JsonObject:
        """Return what workers are told when they start and serve these apps."""
        table = self.table(assignment, served) if assignment is not None else None
        return {"identity": self._identity.document(), "table": table}

    def table(self, assignment: Assignment, served: Collection[str]) -> JsonObject:
        """Return which hosts run which apps, for workers that serve these apps themselves."""
        others = {name: peer for name, peer in assignment.peers.items() if name != self._host}
        known = [placed for placed in assignment.apps if placed.digest in self._apps]
        routes = _routes([self._apps[placed.digest] for placed in known])
        return {
            "number": next(self._numbers),
            "peers": [
                {"host": name, "address": peer.address, "workers": peer.workers}
                for name, peer in others.items()
            ],
            "apps": [
                {
                    "app": placed.app,
                    "share": placed.share,
                    "here": self._host in placed.everywhere and placed.app in served,
                    "hosts": [host for host in _answering(placed) if host in others],
                    "routes": found,
                }
                for placed, found in zip(known, routes, strict=True)
            ],
        }


def _answering(placed: Placed) -> Iterable[str]:
    """Return the hosts that run it: not those that are still getting to it while others do; those that may still run it while nobody else does."""
    return [*(host for host in placed.everywhere if host not in placed.changing), *placed.away]


def _routes(apps: Iterable[LockedApp]) -> list[list[JsonObject]]:
    told = [{"name": app.name, "http": [_route(app, route) for route in app.http]} for app in apps]
    return [cast("list[JsonObject]", app["http"]) for app in first_speaks(told)]


def _route(app: LockedApp, route: LockedRoute) -> JsonObject:
    component = app.components.get(route.component) if route.component else None
    return {
        "route": route.route,
        "methods": list(route.methods),
        "hosts": list(route.hosts),
        "convention": route.convention,
        "timeout_ms": component.limits.timeout_ms if component else RESPONSE_TIMEOUT_MS,
    }


def usual(address: Address, folder: Path) -> Address:
    """Return an address with the port of the last run, when any may be taken and nobody has that one.

    Others know it, and without NATS they could not learn another one.
    """
    if address.port != 0:
        return address
    with contextlib.suppress(OSError, ValueError):
        last = Address(address.host, int((folder / PORT).read_text(encoding="ascii")))
        family, where = last.resolve()
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
        return last
    return address


def keep_port(address: Address, folder: Path) -> None:
    """Remember where other hosts connect. A full disk is no reason not to serve."""
    with contextlib.suppress(ArtifactError):
        files.write(folder / PORT, str(address.port).encode("ascii"))


def advertised(listening: Address, url: str) -> str:
    """Return where other hosts reach a listener: where this host is reached when it listens on every interface."""
    if Address.parse(listening.reachable) == listening:
        return str(listening)
    host = url.partition("://")[2].partition("/")[0]
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return str(Address(name.strip("[]") or listening.host, listening.port))
