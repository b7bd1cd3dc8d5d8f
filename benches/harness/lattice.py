"""What a lattice does when a host is killed, while an app is rolled out, and what passing a request on and calling another host cost.

Hosts are processes of this machine, so the network costs next to nothing, and all of them share two processors: what is compiled or started
after a death is compiled and started beside the load.
"""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final, Self

from harness.client import Connection
from harness.components import built
from harness.hosts import LIMIT, Hosts, variant
from harness.paths import GUESTS
from harness.section import Row, Section, of_rows
from harness.servers import GREETING, MeasurementError
from wisp.lattice.commands.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.part import Context
    from wisp.lattice.commands.control import View

COUNT: Final = 5
TWICE: Final = [f"twice{number}" for number in range(5)]
"""Apps with two replicas."""

COMPONENTS: Final = 20
ASKED: Final = 1000
"""Requests here and there, in turn, for what passing on costs, and calls for what a call costs."""

NUMBERS: Final = "bench:calls/numbers@0.1.0"
"""What a guest calls on another host."""

COMMANDS: Final = (
    "wisp host --name h1 --http 127.0.0.1:PORT --workers 1   # five of them",
    "wisp deploy APP --replicas 2",
)


def measure(context: Context) -> Section:
    """Measure all of it on one lattice of five hosts."""
    with Hosts(COUNT) as hosts:
        measured = Measured(hosts, context)
        rows = [*measured.deaths(), measured.planner_death(), measured.lone_death(), measured.rollout()]
        rows += [measured.deployment(), measured.configuration(), measured.forwarding(), *measured.calls()]
    for row in rows:
        context.say(f"{row.title}: {row.told}")
    return of_rows(rows, f"a lattice of {COUNT} hosts", COMMANDS)


class Measured:
    """The measurements on one lattice."""

    def __init__(self, hosts: Hosts, context: Context) -> None:
        self._hosts = hosts
        self._rounds = context.rounds
        self._wasm = context.components.rust_p2.wasm
        self._forwards = hosts.forwards()

    def deaths(self) -> tuple[Row, Row]:
        """Kill hosts of apps with two replicas."""
        for app in TWICE:
            self._deploy(app, "2")
        again, back = [], []
        for _ in range(self._rounds):
            victim = self._hosts.on(TWICE[0], 2)[0]
            with Clients(self._survivors(TWICE, victim)) as clients:
                began = self._hosts.kill(victim)
                self._hosts.until(_without(victim, TWICE))
                back.append(time.monotonic() - began)
            again.append(1000 * max([0.0, *(failed - began for failed in clients.failed)]))
            self._revive(victim)
        title = "a host with one of two replicas is killed: until every request succeeds again"
        where = " at any other host" if self._forwards else " at the hosts that run it"
        return (
            Row(title + where, tuple(again), "ms", 1000),
            Row("... until there are two replicas of everything again", tuple(back), "s", 5),
        )

    def planner_death(self) -> Row:
        """Kill the host that plans: first another one has to."""
        took = []
        for _ in range(self._rounds):
            victim = self._hosts.until(lambda view: view.planner).planner
            began = self._hosts.kill(str(victim))
            self._hosts.until(_without(str(victim), TWICE))
            took.append(time.monotonic() - began)
            self._revive(str(victim))
        title = "the host that plans is killed: until there are two replicas of everything again"
        return Row(title, tuple(took), "s", 5)

    def lone_death(self) -> Row:
        """Kill the only host of an app."""
        self._deploy("once", "1")
        took = []
        for _ in range(self._rounds):
            [victim] = self._hosts.on("once", 1)
            others = [self._hosts.ports[name] for name in self._hosts.names if name != victim]
            began = self._hosts.kill(victim)
            while not any(answers(port, "/once/0/") for port in others):
                if time.monotonic() - began > LIMIT:
                    message = "the app did not come back"
                    raise MeasurementError(message)
                time.sleep(0.01)
            took.append(time.monotonic() - began)
            self._revive(victim)
        return Row(
            "the host with the only replica is killed: until the app answers again", tuple(took), "s", 5
        )

    def rollout(self) -> Row:
        """Replace all components of an app on all hosts, under load."""
        self._deploy("many", "per-host", components=COMPONENTS)
        failures, count = [], 0
        for number in range(1, self._rounds + 1):
            targets = {
                name: [(self._hosts.ports[name], f"/many/{one}/") for one in range(COMPONENTS)]
                for name in self._hosts.names
            }
            with Clients(targets) as clients:
                self._deploy("many", "per-host", components=COMPONENTS, number=number)
            failures.append(float(len(clients.failed)))
            count += clients.count
        title = f"{COMPONENTS} components are replaced on {COUNT} hosts: requests that fail, of {count:,}"
        return Row(title, tuple(failures), "", 0)

    def deployment(self) -> Row:
        """Deploy a component that nobody knows."""
        took = []
        for number in range(self._rounds):
            # Another app each time: a new version of one would be rolled out, step by step.
            folder = variant(self._hosts.folder, f"fresh{number}", self._wasm)
            took.append(1000 * self._hosts.wisp("deploy", folder, "--replicas", "per-host", "--json"))
        size = self._wasm.stat().st_size // 1000
        title = f"`wisp deploy` of a new component of {size} KB, from the start of the command until {COUNT} hosts answer"
        return Row(title, tuple(took), "ms", 1000)

    def configuration(self) -> Row:
        """Configure an app that runs on all hosts."""
        folder = variant(self._hosts.folder, "configured", self._wasm)
        with (folder / "wisp.toml").open("a", encoding="utf-8") as manifest:
            manifest.write('[component.c0.grants]\nconfig = { greeting = "hello" }\n')
        self._hosts.wisp("deploy", folder, "--replicas", "per-host")
        took = [
            self._hosts.wisp("config", "set", "configured", f"greeting={number}", "--json")
            for number in range(self._rounds)
        ]
        title = f"`wisp config set`, from the start of the command until {COUNT} hosts answer with it"
        return Row(title, tuple(took), "s", 2)

    def forwarding(self) -> Row:
        """Ask a host that has an app and one that has not, in turn."""
        title = "a request that is passed on to another host, beyond one that is not (p50)"
        if not self._forwards:
            return Row(title, (), "us", 300, void="these hosts have no peer address")
        self._deploy("here", "1")
        [host] = self._hosts.on("here", 1)
        other = next(name for name in self._hosts.names if name != host)
        added = []
        for _ in range(self._rounds):
            with Connection(self._hosts.ports[host]) as near, Connection(self._hosts.ports[other]) as far:
                pairs = [
                    (near.ask("/here/0/", GREETING), far.ask("/here/0/", GREETING)) for _ in range(ASKED)
                ]
            added.append(1000 * (median(far for _, far in pairs) - median(near for near, _ in pairs)))
        return Row(title, tuple(added), "us", 300)

    def calls(self) -> tuple[Row, Row]:
        """Have a guest on another host than what it calls, and one on the same, time one call for each request."""
        title = "a call of another app's component on another host, as the guest that calls sees it (p50)"
        local = "... of one on the same host"
        if not self._forwards:
            void = "these hosts have no peer address"
            return Row(title, (), "us", 300, void=void), Row(local, (), "us", void=void)
        for folder, replicas in zip(linked(self._hosts.folder), ("1", "per-host"), strict=True):
            self._hosts.wisp("deploy", folder, "--replicas", replicas)
        [near] = self._hosts.on("numbers", 1)
        far = next(name for name in self._hosts.on("caller", COUNT) if name != near)
        took: dict[str, list[float]] = {far: [], near: []}
        for _ in range(self._rounds):
            for host, medians in took.items():
                medians.append(median(timed(self._hosts.ports[host], "/caller/add/1")) / 1000)
        return Row(title, tuple(took[far]), "us", 300), Row(local, tuple(took[near]), "us")

    def _deploy(self, app: str, replicas: str, *, components: int = 1, number: int = 0) -> None:
        folder = variant(self._hosts.folder, app, self._wasm, components=components, number=number)
        self._hosts.wisp("deploy", folder, "--replicas", replicas)

    def _survivors(self, apps: list[str], victim: str) -> Mapping[str, list[tuple[int, str]]]:
        """Return where each app is to answer when a host is dead: at every other one, if they pass requests on."""
        others = [name for name in self._hosts.names if name != victim]
        return {
            app: [
                (self._hosts.ports[name], f"/{app}/0/")
                for name in (others if self._forwards else self._hosts.on(app, 2))
                if name != victim
            ]
            for app in apps
        }

    def _revive(self, name: str) -> None:
        self._hosts.start(name)
        self._hosts.until(lambda view: len(view.hosts) == COUNT and view.planner)


def _without(lost: str, apps: list[str]) -> Callable[[View], bool]:
    """Return what says whether a host is gone and there are two replicas of everything."""

    def look(view: View) -> bool:
        found = [standing(view, app, 1) for app in apps]
        whole = all(one.complete and len(one.running) == 2 for one in found)  # noqa: PLR2004 - said above
        return lost not in view.hosts and whole

    return look


def linked(folder: Path) -> tuple[Path, Path]:
    """Write an app that offers an interface, and one whose guest calls it when it gets a request."""
    wasm = built(GUESTS / "calls", "processor", "bridged")
    offer = f'offer = {{ "{NUMBERS}" = ["caller"] }}'
    link = f'link."{NUMBERS}" = {{ app = "numbers", component = "only" }}'
    route = '[[http]]\nroute = "/caller/..."\ncomponent = "only"'
    return (
        _app(folder / "numbers", wasm["processor"], offer),
        _app(folder / "caller", wasm["bridged"], f"{link}\n{route}"),
    )


def _app(folder: Path, wasm: Path, tables: str) -> Path:
    folder.mkdir()
    head = f'[app]\nname = "{folder.name}"\nversion = "0.1.0"\n[component.only]\nsource = "{wasm}"\n'
    (folder / "wisp.toml").write_text(f"{head}{tables}\n", encoding="utf-8")
    return folder


def timed(port: int, path: str) -> list[int]:
    """Return the nanoseconds that a guest says its call took, of each of many requests on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        return [_told(connection, path) for _ in range(ASKED)]
    finally:
        connection.close()


def _told(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        message = f"{path}: the host answered {response.status} {body[:200]!r}"
        raise MeasurementError(message)
    return int(body)


def answers(port: int, path: str) -> bool:
    """Whether a host greets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() == GREETING and response.status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass
class Clients:
    """Somebody for each of these who asks without pause, at one place after the other, as long as the block runs."""

    targets: Mapping[str, list[tuple[int, str]]]
    failed: list[float] = field(default_factory=list)
    """When what did not succeed was over."""

    count: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        work: Callable[[list[tuple[int, str]]], None] = self._ask
        self._threads = [threading.Thread(target=work, args=(places,)) for places in self.targets.values()]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, places: list[tuple[int, str]]) -> None:
        while not self._over.is_set():
            for port, path in places:
                if not answers(port, path):
                    self.failed.append(time.monotonic())
                self.count += 1
                # What is measured is the lattice, not how many requests Python can send beside it.
                self._over.wait(0.005)
