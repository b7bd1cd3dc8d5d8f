"""A lattice of five machines, to which one thing after the other happens: `make soak`, or `python -m tests.e2e.faults.soak`.

With `--servers` it is one of three machines that are their own NATS.

What happens is decided by a seed (see `schedule`), and said before it does, so that it can be tried again with `--seed`. After each fault all
invariants must hold. The first one that does not ends the soak, with 1, and leaves the folder with all logs behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.e2e.faults import machine, network, trio
from tests.e2e.faults.cluster import DAY, Cluster, machines, names
from tests.e2e.faults.schedule import KINDS_OF_SERVERS, Schedule
from tests.e2e.faults.trio import Trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.faults.schedule import Fault
    from wisp.lattice.state import State

HOSTS: Final = 5
APPS: Final = ["blog", "pair", "shop"]


class Soak:
    """One soak on one lattice."""

    def __init__(self, cluster: Cluster, clocks: dict[str, machine.Clock]) -> None:
        self._cluster = cluster
        self._clocks = clocks
        self._faults: dict[str, Callable[[Fault], contextlib.AbstractContextManager[None]]] = {
            "kill": lambda fault: self._killed(*fault.hosts),
            "planner": lambda _: self._killed(cluster.planner()),
            "freeze": self._frozen,
            "stop": self._stopped,
            "cut": lambda fault: self._bad_network(lambda: cluster.cut(fault.hosts)),
            "isolate-nats": lambda _: self._bad_network(lambda: cluster.cut(["nats"])),
            "slow": lambda fault: self._bad_network(
                lambda: cluster.network.slow(fault.hosts, delay=fault.amount)
            ),
            "lose": lambda fault: self._bad_network(lambda: cluster.lose(fault.amount, fault.hosts)),
            "kill-nats": lambda _: self._without_nats(),
            "forget-leases": lambda _: self._forgetting(),
            "clock": self._jumped,
            "drain": self._drained,
            "server": self._without_server,
        }

    def run(self, schedule: Schedule, seconds: float) -> int:
        """Let one thing after the other happen for so long, and return how many did."""
        self._cluster.goes_on = True
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            fault = schedule.next()
            count += 1
            say(f"{count}. {fault}")
            began = time.monotonic()
            self.suffer(fault)
            say(f"   all well after {time.monotonic() - began:.1f} s")
        self._cluster.until_taken()
        return count

    def suffer(self, fault: Fault) -> None:
        """Let one thing happen. Raises AssertionError when an invariant does not hold afterwards."""
        with self._cluster.traffic() as traffic:
            self._traffic = traffic
            time.sleep(fault.at)
            with self._faults[fault.kind](fault):
                deploying = threading.Thread(target=self._deploy, args=(fault,))
                deploying.start()
                time.sleep(fault.lasts)
            deploying.join()

    def _deploy(self, fault: Fault) -> None:
        for app, replicas in fault.deploys:
            self._cluster.deploy(app, replicas, timeout="30s")

    @contextlib.contextmanager
    def _excused(self, *hosts: str) -> Iterator[None]:
        well = self._traffic.excuse(*hosts)
        yield
        for host in hosts:
            self._cluster.well(host)
        well()

    def _launch(self, name: str) -> None:
        self._cluster.launch(name, variables=self._clocks[name].variables if self._clocks else {})

    @contextlib.contextmanager
    def _killed(self, *hosts: str) -> Iterator[None]:
        with self._excused(*hosts):
            for name in hosts:
                self._cluster.kill(name)
            yield
            for name in hosts:
                self._launch(name)

    @contextlib.contextmanager
    def _stopped(self, fault: Fault) -> Iterator[None]:
        with self._excused(*fault.hosts):
            for name in fault.hosts:
                assert self._cluster.hosts.pop(name).stop() == 0
            yield
            for name in fault.hosts:
                self._launch(name)

    @contextlib.contextmanager
    def _frozen(self, fault: Fault) -> Iterator[None]:
        with self._excused(*fault.hosts):
            thaws = [self._cluster.freeze(name) for name in fault.hosts]
            yield
            for thaw in thaws:
                thaw()

    @contextlib.contextmanager
    def _bad_network(self, degrade: Callable[[], None]) -> Iterator[None]:
        degrade()
        yield
        self._cluster.heal()

    @contextlib.contextmanager
    def _without_nats(self) -> Iterator[None]:
        self._cluster.nats.kill()
        yield
        self._cluster.nats.start()

    @contextlib.contextmanager
    def _without_server(self, fault: Fault) -> Iterator[None]:
        """Kill the server of a host, which starts it again."""
        assert isinstance(self._cluster, Trio)
        name = fault.hosts[0]
        since = len(self._cluster.hosts[name].lines)
        os.kill(self._cluster.server(name), signal.SIGKILL)
        yield
        self._cluster.hosts[name].event("nats", since=since)

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        async def forget(state: State) -> None:
            for key in await state.live.entries():
                await state.live.remove(key)

        self._cluster.ask(forget)
        yield

    @contextlib.contextmanager
    def _jumped(self, fault: Fault) -> Iterator[None]:
        for name in fault.hosts:
            if self._clocks:
                self._clocks[name].set(int((fault.amount - 0.25) * 10 * DAY))
        yield

    @contextlib.contextmanager
    def _drained(self, fault: Fault) -> Iterator[None]:
        name = fault.hosts[0]
        # What runs on each host leaves it too.
        with self._excused(name):
            self._cluster.wisp("drain", name)
            yield
            self._cluster.wisp("drain", name, "--undo")


def main() -> int:
    """Soak, and return the exit code."""
    options = _options()
    three = " SERVERS=3" if options.servers else ""
    again = f"make soak SEED={options.seed} SECONDS={options.seconds:g}{three}"
    say(f"seed {options.seed}: again with `{again}`")
    schedule = _schedule(options)
    if options.schedule:
        for _ in range(options.schedule):
            say(str(schedule.next()))
        return 0
    if reason := network.unavailable():
        say(f"NOT RUN: {reason}")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="wisp-soak-"))
    try:
        with contextlib.ExitStack() as stack:
            soak = (_three if options.servers else _five)(stack, folder)
            count = soak.run(schedule, options.seconds)
    except AssertionError as error:
        say(f"BROKEN: {error}\nthe folder is {folder}; again with `{again}`")
        return 1
    shutil.rmtree(folder)
    say(f"{count} faults, all invariants held")
    return 0


def _schedule(options: argparse.Namespace) -> Schedule:
    if options.servers:
        return Schedule(options.seed, trio.HOSTS, APPS, KINDS_OF_SERVERS)
    return Schedule(options.seed, names(HOSTS), APPS)


def _five(stack: contextlib.ExitStack, folder: Path) -> Soak:
    """Make a lattice of five hosts and a NATS."""
    wires = stack.enter_context(network.Network(*machines(HOSTS)))
    stack.enter_context(wires.entered("client"))
    cluster = stack.enter_context(Cluster(folder, folder / "cache", wires))
    if reason := machine.no_clocks():
        say(f"clocks do not jump: {reason}")
        clocks: dict[str, machine.Clock] = {}
    else:
        clocks = {name: machine.Clock(folder / f"clock-{name}") for name in names(HOSTS)}
    for name in names(HOSTS):
        cluster.launch(name, variables=clocks[name].variables if clocks else {})
    cluster.up()
    return Soak(cluster, clocks)


def _three(stack: contextlib.ExitStack, folder: Path) -> Soak:
    """Make a lattice of three hosts that are their own NATS."""
    wires = stack.enter_context(network.Network(*machines(len(trio.HOSTS))))
    stack.enter_context(wires.entered("client"))
    cluster = stack.enter_context(Trio(folder, folder / "cache", wires))
    cluster.up(*trio.HOSTS)
    return Soak(cluster, {})


def say(line: str) -> None:
    """Tell who waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Let one thing after the other happen to a lattice.")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: %(default)g)")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.SystemRandom().randrange(1 << 32),
        help="what happens (default: any)",
    )
    parser.add_argument("--servers", action="store_true", help="three machines that are their own NATS")
    parser.add_argument("--schedule", type=int, metavar="N", help="only say the first faults of the seed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
