"""Keeping the embedded NATS running on a host: started again whenever it ends, and told what has changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wisp.errors import WispError
from wisp.host.address import Address
from wisp.lattice.nats_server.guarding import Cluster, Secured
from wisp.lattice.nats_server.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.host.log import Log
    from wisp.lattice.membership.belonging import Belonging

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """The server that a host is to run."""

    folder: Path
    address: Address
    advertise: str | None = None
    """The host by which clients reach it, if that is not the one at which it listens."""

    route: Address | None = None
    """Where the other servers of a cluster connect; None for a server that is alone."""


class Keeper:
    """Runs the server of a host. Made with `start`."""

    def __init__(self, wanted: Wanted, belonging: Belonging, log: Log, server: Server) -> None:
        self._wanted = replace(wanted, address=server.address)
        self._belonging = belonging
        self._log = log
        self.server = server

    @classmethod
    async def start(cls, wanted: Wanted, belonging: Belonging, log: Log) -> Keeper:
        """Start it. Raises LatticeError, ArtifactError."""
        server = await Server.start(wanted.folder, wanted.address, secured(wanted, belonging))
        log.event("nats", f"NATS runs, process {server.pid}", pid=server.pid)
        keeper = cls(wanted, belonging, log, server)
        belonging.told.append(keeper.reload)
        return keeper

    async def reload(self) -> None:
        """Tell the server whom to believe now, and to show the newest certificate."""
        try:
            await self.server.reload(secured(self._wanted, self._belonging))
        except WispError as error:
            self._log.event("nats-failed", error.message, level="error")

    async def run(self) -> None:
        """Start it again whenever it ends, until cancelled; what runs here goes on meanwhile."""
        pause = 0.0
        try:
            while True:
                code = await self.server.ended()
                self._log.event(
                    "nats-ended", f"NATS has ended with {code}; it is started again", level="error"
                )
                while not await self._again(pause):
                    pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, pause * 2))
                pause = FIRST_PAUSE
        finally:
            await self.server.stop()

    async def _again(self, pause: float) -> bool:
        await asyncio.sleep(pause)
        try:
            self.server = await Server.start(
                self._wanted.folder, self._wanted.address, secured(self._wanted, self._belonging)
            )
        except WispError as error:
            self._log.event("nats-failed", error.message, level="error")
            return False
        self._log.event("nats", f"NATS runs, process {self.server.pid}", pid=self.server.pid)
        return True


def secured(wanted: Wanted, belonging: Belonging) -> Secured:
    """Return how the server is to know who connects, by what the host knows now. Raises LatticeError."""
    papers = belonging.papers
    return Secured(
        host=papers.host,
        identity=papers.folder,
        trust=belonging.trust(),
        cluster=_cluster(wanted, belonging),
        advertise=str(Address(wanted.advertise, wanted.address.port)) if wanted.advertise else None,
    )


def _cluster(wanted: Wanted, belonging: Belonging) -> Cluster | None:
    known = belonging.papers.known()
    if wanted.route is None or known is None or known.routes_secret is None:
        return None
    own = wanted.route.reachable
    # JetStream wants at least one route to be told of; a server that finds itself there leaves it out.
    others = tuple(dict.fromkeys((own, *known.routes)))
    return Cluster(belonging.lattice, wanted.route, others, known.routes_secret)
