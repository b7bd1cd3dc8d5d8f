"""A lattice of several machines with NATS on a machine of its own: what may happen to it, and what must hold then."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.e2e.conftest import manifest_of
from tests.e2e.faults.invariants import Promises, Traffic, Witness
from tests.e2e.lattice import Lattice, Nats, get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.e2e.faults.network import Network
    from tests.e2e.host import Host

PATIENCE: Final = 90.0
"""Seconds in which all must be well again: long, as the machine may be busy. How fast it is, the benchmark says."""

EVERYWHERE: Final = "everywhere"
"""An app on each host, so that each can be asked."""


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
        self.network = network
        server = Nats(folder / "nats", network.address("nats"), (*network.through("nats"), *nats))
        super().__init__(folder, cache, server)
        self.promises = Promises()
        self.witness = Witness(server.url, "test")
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
        """Start hosts, all at once, and put an app on each of them."""
        for name in hosts:
            self.launch(name)
        for host in self.hosts.values():
            host.event("joined")
        self.deploy(EVERYWHERE, "per-host")

    def launch(
        self, name: str, before: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> Host:
        """Start a host on its machine; `before` are the words of a program that becomes it."""
        address = self.network.address(name)
        fixed = ("--http", f"{address}:3000", "--drain-timeout", "2s", "--no-access-log")
        through = (*self.network.through(name), *before)
        host = self.begin_host(name, *fixed, through=through, **(variables or {}))
        host.patience = PATIENCE
        return host

    def url(self, name: str) -> str:
        """Return where a host answers for the app that is everywhere."""
        return f"http://{self.network.address(name)}:3000/{EVERYWHERE}/hello"

    def app(self, app: str, version: str) -> Path:
        """Write an app that tells its version at `/APP/environment`."""
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

    @contextlib.contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Ask every host while the block runs; afterwards all invariants must hold."""
        with Traffic({name: self.url(name) for name in self.hosts}) as traffic:
            yield traffic
            self.settle()
        assert traffic.count > 0
        assert not (broken := traffic.broken()), (
            f"{len(broken)} requests failed: {broken[:20]}\n{self._told()}"
        )

    def settle(self) -> None:
        """Wait until every acknowledged state is in force. At most one planner may have written until then."""
        end = time.monotonic() + PATIENCE
        while broken := self.broken():
            assert time.monotonic() < end, f"{broken}\n{self._told()}"
            time.sleep(0.5)
        assert not (broken := self.witness.broken()), broken
        assert self.witness.seen

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
        """Wait until a host answers for the app that is everywhere."""
        end = time.monotonic() + PATIENCE
        while get(self.url(name))[0] != 200:
            assert time.monotonic() < end, f"{name} does not answer: {self.hosts[name].lines[-10:]}"
            time.sleep(0.1)

    def _told(self) -> str:
        return "\n".join(f"{name}: {host.lines[-8:]}" for name, host in self.hosts.items())


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
