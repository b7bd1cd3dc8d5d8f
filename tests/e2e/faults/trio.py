"""A lattice of three machines, each with a host and one of the three servers of its NATS, as `wisp lattice up` and `join` make it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tests.e2e.faults import ledger
from tests.e2e.faults.cluster import EVERYWHERE, PATIENCE, Cluster, names
from tests.e2e.faults.ledger import Ledger
from tests.e2e.host import Host, environment, finished
from tests.e2e.lattice import Nats
from wisp.errors import LatticeError
from wisp.lattice.membership.access import Access
from wisp.lattice.nats.connection import connect
from wisp.lattice.state import bucket_name
from wisp.registry import files

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from tests.e2e.faults.network import Network
    from wisp.lattice.nats.connection import Connection
    from wisp.lattice.state import State

    Found = TypeVar("Found")

LATTICE: Final = "test"
HOSTS: Final = names(3)
FIRST: Final = HOSTS[0]
HOSTING: Final = ("--drain-timeout", "10s", "--no-access-log", "--workers", "1", "--log-format", "json")


class Theirs(Nats):
    """The NATS that hosts bring along: it begins and ends with them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.url = urls(addresses)

    def kill(self) -> None:
        """Do nothing: they do."""


def urls(addresses: Sequence[str]) -> str:
    """Return where clients find servers at these addresses."""
    return ",".join(f"tls://{address}:4222" for address in addresses)


class Trio(Cluster):
    """A lattice that is its own NATS; the test must be on its `client`, which is another machine."""

    def __init__(self, folder: Path, cache: Path, network: Network) -> None:
        self._cache = cache
        self._joined: set[str] = set()
        self._reach = folder / "client" / "state" / LATTICE / "reach.json"
        """Where the client keeps how it finds the lattice."""

        self._begin(folder, cache, network, Theirs([network.address(name) for name in HOSTS]), None)
        self._variables = self._of("client")
        # One that led, and is cut off, answers for some seconds with what it knows.
        self.ledger = Ledger(lambda host: f"http://{network.address(host)}:3000", old_reads=True)

    def _of(self, name: str) -> dict[str, str]:
        """Return the variables of a machine."""
        own = self.folder / name
        own.mkdir(exist_ok=True)
        variables = environment(
            self._cache, WISP_STATE_DIR=str(own / "state"), WISP_AUTHORITY_KEY=str(own / "key")
        )
        variables.pop("WISP_NATS", None)
        return {**variables, "WISP_LATTICE": LATTICE}

    def up(self, *hosts: str) -> None:
        """Start the three machines, let the client's commands in, and deploy the apps of the traffic."""
        assert list(hosts) == HOSTS
        self.launch(FIRST).event("receiving")
        for name in HOSTS[1:]:
            self.launch(name)
        for host in self.hosts.values():
            host.event("joined")
        _, *words = self._invite("--operator").split()
        self.wisp(*words)
        self.reach(HOSTS)
        assert self.deploy(EVERYWHERE, "per-host"), self.said
        assert self.deploy(ledger.APP, "2"), self.said

    def launch(
        self, name: str, before: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> Host:
        """Start a machine; the first time it has to join."""
        address = self.network.address(name)
        words = ["--name", name, "--http", f"{address}:3000", *HOSTING]
        words += ["--nats-listen", f"{address}:4222", "--nats-route", f"{address}:6222"]
        command = ["lattice", "up"]
        if name != FIRST:
            words.append("--nats-server")
            command = ["host"] if name in self._joined else self._invite("--nats-server").split()[1:]
        self._joined.add(name)
        host = Host(
            *words,
            folder=self.folder,
            variables={**self._of(name), **(variables or {})},
            listen=None,
            through=(*self.network.through(name), *before),
            command=command,
        )
        host.patience = PATIENCE
        self.hosts[name] = self._stack.enter_context(host)
        return host

    def reach(self, hosts: Collection[str]) -> None:
        """Let the client know the servers of these hosts only."""
        known = json.loads(self._reach.read_bytes())
        known["nats"] = urls([self.network.address(name) for name in hosts])
        # Others read it at any time.
        files.write(self._reach, json.dumps(known).encode())

    def connected(self, name: str) -> AbstractAsyncContextManager[Connection]:
        """Be connected to the servers that the client knows, as its commands are."""
        try:
            known: dict[str, Any] = json.loads(self._reach.read_bytes())
        except OSError as error:
            raise LatticeError("nobody has let the client in yet") from error
        access = Access(Path(known["credentials"]), ca=Path(known["ca"]), tls_first=True)
        return connect(known["nats"], name=name, access=access)

    def ask(self, work: Callable[[State], Awaitable[Found]]) -> Found:
        """Do something with the state of the lattice; again when the server is lost meanwhile."""
        for _ in range(5):
            try:
                return super().ask(work)
            except LatticeError as error:
                failed = error
        raise failed

    def leader(self) -> str:
        """Return the host whose server leads the others in what is wanted."""

        async def led() -> str:
            async with self.connected("a test") as connection:
                info = await connection.jetstream.stream_info(f"KV_{bucket_name(LATTICE)}")
            assert info.cluster is not None
            assert info.cluster.leader is not None
            return info.cluster.leader

        return asyncio.run(led())

    def server(self, name: str) -> int:
        """Return the process of the server of a host."""
        started = [line for line in self.hosts[name].lines if line.get("event") == "nats"]
        return int(started[-1]["pid"])

    def _invite(self, *words: str) -> str:
        said: subprocess.CompletedProcess[str] = finished(
            ("lattice", "invite", *words), self._of(FIRST), code=0
        )
        return said.stdout.strip()
