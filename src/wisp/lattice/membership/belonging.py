"""A host's part in who belongs to its lattice, while NATS is there.

It has its certificate renewed, takes over who was revoked and where NATS is, and tells those who must know: its NATS server, its
workers. A host that is named for the authority also renews the certificates of the others, and says in the bucket whom it let in.

In the bucket of the lattice:
  account          the newest claims of the account    who holds the authority
  admitted.NAME    who was let in                      who holds the authority
  server.HOST      where a NATS server is              the host that runs it
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import trust
from wisp.lattice.membership.holding import Admitted
from wisp.lattice.membership.renewal import SUBJECT, Renewal, renewed
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.tasks import first
from wisp.lattice.records import Name, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from wisp.host.log import Log
    from wisp.lattice.membership.admitting import Desk
    from wisp.lattice.membership.papers import Papers
    from wisp.lattice.membership.trust import Trust
    from wisp.lattice.nats.bucket import Entry
    from wisp.lattice.state import State

ACCOUNT: Final = "account"
ADMITTED: Final = "admitted"
SERVER: Final = "server"


class ServerRecord(Record):
    """Where a NATS server of the lattice is."""

    host: Name
    url: str
    route: str | None = None


class Belonging:
    """One host's part in who belongs to its lattice."""

    def __init__(self, papers: Papers, lattice: str, log: Log) -> None:
        self.papers = papers
        self.lattice = lattice
        self.desk: Desk | None = None
        """Of a host that is named for the authority."""

        self.server: ServerRecord | None = None
        """Of a host that runs NATS."""

        self.identity: str | None = None
        """What tells the lattice from another one of its name, once it was founded."""

        self.admitted = asyncio.Event()
        """Set when somebody was let in here."""

        self.told: list[Callable[[], Awaitable[None]]] = []
        """What is called after there is another certificate, or other hosts were revoked."""

        self.moved: list[Callable[[tuple[str, ...]], None]] = []
        """What is called when NATS is somewhere else."""

        self._log = log
        self._renewal = Renewal(papers, lattice, log, self._tell)

    @property
    def url(self) -> str | None:
        """Where the lattice's own NATS is, as far as is known; None when it is not its own. Raises LatticeError."""
        known = self.papers.known()
        return ",".join(known.servers) if known and known.servers else None

    def trust(self) -> Trust:
        """Return what this host believes. Raises LatticeError."""
        if (found := self.papers.trust()) is None:
            raise LatticeError(
                "this host has not joined", hint="`wisp lattice invite` on the first one says how"
            )
        return found

    def know_own_server(self) -> None:
        """Look for NATS on this host first. Raises LatticeError, ArtifactError."""
        known, own = self.papers.known(), self.server
        if known is None or own is None:
            return
        servers = (own.url, *(url for url in known.servers if url not in {own.url, known.own}))
        routes = tuple(dict.fromkeys((*([own.route] if own.route else []), *known.routes)))
        update = {"servers": servers, "routes": routes, "own": own.url}
        self.papers.keep_known(known.model_copy(update=update))

    async def run(self, lattice: State) -> None:
        """Take part until cancelled, or something fails."""
        parts = [
            self._renewal.run(lattice.requests),
            self._follow_account(lattice),
            self._follow_servers(lattice),
        ]
        if self.desk is not None:
            parts += [self._share(lattice, self.desk), self._renew_others(lattice)]
        await first(*map(asyncio.create_task, parts))

    async def _tell(self) -> None:
        for told in self.told:
            await told()

    async def _renew_others(self, lattice: State) -> None:
        answering = await lattice.requests.answer(SUBJECT, self._renewed)
        try:
            await asyncio.Future()
        finally:
            await answering.stop()

    async def _renewed(self, content: bytes) -> bytes:
        if self.desk is None:
            raise LatticeError("this host has not the authority")
        return (await asyncio.to_thread(renewed, self.desk, self.trust(), content)).to_bytes()

    async def _follow_account(self, lattice: State) -> None:
        """Take over every newer word of the authority on who is let in no more."""
        async with lattice.desired.mirror(ACCOUNT) as mirror:
            while True:
                entry = mirror.entries.get(ACCOUNT)
                known = await asyncio.to_thread(self.trust)
                newer = known.newer(entry.value.decode(errors="replace")) if entry else None
                if newer is not None:
                    await self._believe(newer)
                elif self.desk is not None:
                    await self._repeat(lattice, self.desk, known, entry)
                await mirror.changed()

    async def _believe(self, newer: Trust) -> None:
        await asyncio.to_thread(trust.keep, self.papers.folder, newer)
        if self.desk is not None:
            await asyncio.to_thread(self.desk.holding.keep_trust, newer)
        await self._tell()
        gone = ", ".join(sorted(newer.known().gone)) or "no host"
        self._log.event("revoked", f"what the lattice's authority says has changed; revoked: {gone}")

    async def _repeat(self, lattice: State, desk: Desk, known: Trust, entry: Entry | None) -> None:
        """Say again what NATS has lost, or what two hosts with the authority have said without knowing of each other."""
        said = entry.value.decode(errors="replace") if entry else None
        if said == known.account:
            return
        if said is not None and known.model_copy(update={"account": said}).newer(known.account) is None:
            with contextlib.suppress(LatticeError):
                known = trust.merged(desk.authority, known, said)
                await self._believe(known)
        await lattice.desired.put(ACCOUNT, known.account.encode())

    async def _follow_servers(self, lattice: State) -> None:
        """Know where NATS is, also when it is somewhere else tomorrow."""
        if self.server is not None:
            key, value = f"{SERVER}.{self.server.host}", self.server.to_bytes()
            found = await lattice.desired.get(key)
            if found is None or found.value != value:
                await lattice.desired.put(key, value)
        async with lattice.desired.mirror(f"{SERVER}.*") as mirror:
            while True:
                found_servers = []
                for entry in mirror.entries.values():
                    with contextlib.suppress(LatticeError):
                        found_servers.append(ServerRecord.read(entry.value))
                await asyncio.to_thread(self._keep_servers, found_servers)
                await mirror.changed()

    def _keep_servers(self, found: list[ServerRecord]) -> None:
        known = self.papers.known()
        if known is None or not known.servers or not found:
            return
        ordered = sorted(found, key=lambda one: (one.host != self.papers.host, one.host))
        servers = tuple(one.url for one in ordered)
        routes = tuple(one.route for one in ordered if one.route)
        newer = known.model_copy(update={"servers": servers, "routes": routes or known.routes})
        if newer != known:
            self.papers.keep_known(newer)
            for moved in self.moved:
                moved(servers)

    async def _share(self, lattice: State, desk: Desk) -> None:
        """Say whom we let in, and learn whom others did, so that no name is given twice.

        What another authority has said, in whose place ours is, is written over.
        """
        async with lattice.desired.mirror(f"{ADMITTED}.*", changed=self.admitted) as mirror:
            while True:
                known = await asyncio.to_thread(desk.holding.admitted)
                said = dict(_genuine(mirror.entries, desk.authority.account.public))
                for name in known.keys() - said.keys():
                    key, content = f"{ADMITTED}.{name}", known[name].to_bytes()
                    with contextlib.suppress(Conflict):
                        if (entry := mirror.entries.get(key)) is None:
                            await lattice.desired.create(key, content)
                        else:
                            await lattice.desired.update(key, content, entry.revision)
                for name in said.keys() - known.keys():
                    await asyncio.to_thread(desk.holding.admit, said[name])
                await mirror.changed()


def _genuine(entries: Mapping[str, Entry], account: str) -> Iterator[tuple[str, Admitted]]:
    """Return whom the authority with this account has let in, by name."""
    for key, entry in entries.items():
        name = key.partition(".")[2]
        with contextlib.suppress(LatticeError):
            record = Admitted.read(entry.value)
            record.require_genuine(name, account)
            yield name, record
