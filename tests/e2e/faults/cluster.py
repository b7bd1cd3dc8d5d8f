"""A lattice of several machines with NATS on a machine of its own: what may happen to it, and what must hold then."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import nats.errors

from tests.e2e.authority import Authority
from tests.e2e.conftest import manifest_of
from tests.e2e.faults import ledger
from tests.e2e.faults.invariants import Promises, Witness
from tests.e2e.faults.ledger import Ledger
from tests.e2e.faults.machine import Clock, no_clocks
from tests.e2e.faults.traffic import Traffic
from tests.e2e.lattice import Lattice, Nats
from wisp.errors import LatticeError
from wisp.lattice.commands import control
from wisp.lattice.commands.standing import standing
from wisp.lattice.nats.connection import arrived

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tests.e2e.faults.network import Network
    from tests.e2e.host import Host
    from wisp.lattice.commands.control import View

PATIENCE: Final = 90.0
"""Seconds in which all must be well again: long, as the machine may be busy. How fast it is, the benchmark says."""

LOOK_AGAIN: Final = 2.0
"""Seconds after which something is looked at again, if nothing was heard of it."""

EVERYWHERE: Final = "everywhere"
"""An app on each host, so that each can be asked."""

DAY: Final = 24 * 3600
DAYS: Final = 30
"""How far the clock of a host may be wrong without its certificate being so."""


def names(count: int) -> list[str]:
    """Return the names of so many hosts."""
    return [f"h{number}" for number in range(1, count + 1)]


def machines(count: int) -> list[str]:
    """Return the names of the machines of a lattice of so many hosts."""
    return ["client", "nats", *names(count)]


class Cluster(Lattice):
    """A lattice on the machines of a network; the test must be on its `client`."""

    def __init__(self, folder: Path, cache: Path, network: Network, nats: Sequence[str] = ()) -> None:
        """Start NATS; `nats` are the words of a program that becomes it."""
        server = Nats(folder / "nats", network.address("nats"), (*network.through("nats"), *nats))
        self._begin(folder, cache, network, server, authority(folder))

    def _begin(
        self, folder: Path, cache: Path, network: Network, nats: Nats, signing: Authority | None
    ) -> None:
        self.network = network
        super().__init__(folder, cache, nats, signing)
        self.promises = Promises()
        self.witness = Witness(self.connected, "test")
        self.ledger = Ledger(lambda host: f"http://{network.address(host)}:3000")
        self.goes_on = False
        """Whether more traffic comes, so that messages may be taken meanwhile: one that a worker died with takes half a minute."""

        self._traffic: Traffic | None = None
        self._versions = itertools.count(1)
        self.said: list[str] = []
        """What deployments have said."""

    def __enter__(self) -> Self:
        self.witness.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.network.heal()
        self.witness.__exit__()
        super().__exit__(*error)

    def up(self, *hosts: str) -> None:
        """Start hosts, all at once, and put an app on each of them, and the ledger on two."""
        for name in hosts:
            self.launch(name)
        for host in self.hosts.values():
            host.event("joined")
        assert self.deploy(EVERYWHERE, "per-host"), self.said
        assert self.deploy(ledger.APP, "2"), self.said

    def launch(
        self, name: str, before: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> Host:
        """Start a host on its machine; `before` are the words of a program that becomes it."""
        address = self.network.address(name)
        fixed = ("--http", f"{address}:3000", "--drain-timeout", "10s", "--no-access-log")
        through = (*self.network.through(name), *before)
        host = self.begin_host(name, *fixed, through=through, **(variables or {}))
        host.patience = PATIENCE
        return host

    def url(self, name: str, app: str = EVERYWHERE) -> str:
        """Return where a host answers for an app."""
        return f"http://{self.network.address(name)}:3000/{app}/hello"

    def app(self, app: str, version: str) -> Path:
        """Write an app that tells its version at `/APP/environment`."""
        if app == ledger.APP:
            return ledger.write(self.folder / "apps", version)
        text = manifest_of("http2", f"/{app}/...", {"environment": {"VERSION": version}})
        folder = self.folder / "apps" / f"{app}-{version}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wisp.toml").write_text(text.replace('name = "app"', f'name = "{app}"'), encoding="utf-8")
        return folder

    def deploy(self, app: str, replicas: str, timeout: str = "60s") -> bool:
        """Deploy a new version of an app; whether that was acknowledged."""
        version = f"v{next(self._versions)}"
        with self.promises.asking(app, version):
            words = ("deploy", self.app(app, version), "--replicas", replicas, "--timeout", timeout, "--json")
            process = self.begin(*words)
            said, _ = process.communicate(timeout=PATIENCE + 60)
        self.said.append(said)
        if process.returncode == 0:
            self.promises.acknowledged(app, json.loads(said)["revision"], version, replicas)
        return process.returncode == 0

    def kill(self, name: str) -> Host:
        """End a host as a power cut would: it, and its workers, which must not finish anything."""
        host = self.hosts.pop(name)
        family = [*children(host.process.pid), host.process.pid]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        host.process.wait()
        return host

    def freeze(self, name: str) -> Callable[[], None]:
        """Let a host and its workers stand still; call what is returned to let them go on."""
        host = self.hosts[name]
        family = [host.process.pid, *children(host.process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

        return thaw

    def planner(self) -> str:
        """Return the host that plans, as soon as there is one."""
        planner = self.until(lambda view: view.planner).planner
        assert planner is not None
        return planner

    def data(self, name: str) -> Path:
        """Return the folder of a host."""
        return self.folder / "state" / "test" / "hosts" / name

    def lose_disk(self, name: str) -> None:
        """Let all be gone that a host had; it is a member again."""
        shutil.rmtree(self.data(name))
        self.certified.discard(name)

    def cut(self, minority: Collection[str], others: Collection[str] | None = None) -> None:
        """Let nothing through between some machines and others, or all others."""
        self.network.cut(minority, others)
        self._part(minority, others)

    def lose(self, share: float, of: Collection[str], *, seed: int = 1) -> None:
        """Lose a share of the packets between some machines and all others."""
        self.network.lose(share, of, seed=seed)
        self._part(of, None)

    def heal(self) -> None:
        """Let everything through again."""
        self.network.heal()
        if self._traffic is not None:
            self._traffic.join()

    def _part(self, some: Collection[str], others: Collection[str] | None) -> None:
        """Tell the traffic which hosts do not reach other hosts."""
        apart = set(some) & set(self.hosts)
        met = set(self.hosts) - apart if others is None else set(others) & set(self.hosts)
        if self._traffic is not None and met:
            self._traffic.part(*apart)

    @contextlib.contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Ask every host, and write and publish there, while the block runs; afterwards all invariants must hold."""
        here, onward = (
            {name: self.url(name, app) for name in self.hosts} for app in (EVERYWHERE, ledger.APP)
        )
        with Traffic(here, onward, lambda: self.witness.runners(ledger.APP)) as traffic:
            self._traffic = traffic
            try:
                with self.ledger.writing(tuple(self.hosts), traffic.unanswered):
                    self._all_goes(traffic)
                    yield traffic
                    self.settle()
                    self._all_goes(traffic)
            finally:
                self._traffic = None
        assert not (broken := traffic.broken()), (
            f"{len(broken)} requests failed: {broken[:20]}\n{self._told()}"
        )
        assert not (broken := self.ledger.broken(next(iter(self.hosts)))), f"{broken}\n{self._told()}"
        if not self.goes_on:
            self.until_taken()

    def _all_goes(self, traffic: Traffic) -> None:
        """Wait until requests, writes and messages go through at each host that is there."""
        traffic.until_answered(tuple(self.hosts), PATIENCE)
        self.ledger.until_written(tuple(self.hosts), PATIENCE)

    def until_taken(self) -> None:
        """Wait until every acknowledged message was taken."""

        def untaken() -> list[str]:
            return self.ledger.untaken(next(iter(self.hosts)), 0)

        async def look() -> None:
            async with self.connected("a test") as connection:
                written = await connection.client.subscribe(ledger.WRITTEN)
                await arrived(connection.client)
                while await asyncio.to_thread(untaken):
                    # What was read may be old, and nothing more be written.
                    with contextlib.suppress(nats.errors.TimeoutError):
                        await written.next_msg(timeout=LOOK_AGAIN)

        try:
            asyncio.run(asyncio.wait_for(look(), PATIENCE))
        except TimeoutError:
            message = f"nobody has taken {untaken()}\n{self._told()}"
            raise AssertionError(message) from None

    def settle(self) -> None:
        """Wait until every acknowledged state is in force. At most one planner may have written until then."""
        with contextlib.suppress(LatticeError):  # which the command says too
            self.ask(lambda state: control.until(state, self._stands, PATIENCE))
        end = time.monotonic() + PATIENCE
        while broken := self.broken():
            assert time.monotonic() < end, f"{broken}\n{self._told()}"
        assert not (broken := self.witness.broken()), broken
        assert self.witness.seen
        untaken = self.ledger.untaken(next(iter(self.hosts)), ledger.REDELIVERED)
        assert not untaken, f"nobody has taken {untaken}\n{self._told()}"

    def _stands(self, view: View) -> bool:
        """Whether all hosts are there, and say of themselves that they run what they are to run."""
        apps = [app for app, promise in self.promises.apps.items() if app in view.apps and promise.version]
        return sorted(view.hosts) == sorted(self.hosts) and all(
            standing(view, app, self.promises.apps[app].revision).complete for app in apps
        )

    def broken(self) -> list[str]:
        """Return the promises that are not kept now."""
        process = self.begin("apps", "--json")
        said, _ = process.communicate(timeout=PATIENCE)
        if process.returncode:
            return [said]
        hosts = self.json("hosts")
        there = [one["host"] for one in hosts if one["state"] != "gone"]
        if sorted(there) != sorted(self.hosts):
            return [f"there are the hosts {there}, not {sorted(self.hosts)}"]
        undrained = [one["host"] for one in hosts if one["state"] != "draining"]
        return self.promises.broken({one["app"]: one for one in json.loads(said)}, undrained)

    def until_said(self, host: str, words: str, since: int = 0) -> None:
        """Wait until a host has said so."""
        lines = self.hosts[host].lines
        self.hosts[host].until(
            lambda: any(words in line.get("message", "") for line in lines[since:]), f"{host} to say {words}"
        )

    def well(self, name: str) -> None:
        """Wait until a host answers for all apps."""
        assert self._traffic is not None, "nobody asks it"
        self._traffic.until_answered([name], PATIENCE)

    def _told(self) -> str:
        """Return what hosts have said last; all of it is in files."""
        for name, host in self.hosts.items():
            file = self.folder / f"{name}.said"
            file.write_text("\n".join(map(json.dumps, list(host.lines))), encoding="utf-8")
        last = [f"{name}: {host.lines[-4:]}" for name, host in self.hosts.items()]
        return "\n".join([*last, f"all that they have said is in {self.folder}/*.said"])


def authority(folder: Path) -> Authority:
    """Return who signs for hosts, also for such as have their clock wrong."""
    if no_clocks():
        return Authority(folder / "authority")
    clock = Clock(folder / "clock-of-the-authority")
    clock.set(-DAYS * DAY)
    return Authority(folder / "authority", 2 * DAYS, clock.variables)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
