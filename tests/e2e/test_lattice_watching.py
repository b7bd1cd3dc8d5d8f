"""Looking at a lattice of real hosts: its log lines, how busy it is, whether it is well."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import contextmanager
from queue import Queue
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.e2e.host import PATIENCE
from tests.e2e.lattice import Lattice
from tests.e2e.test_lattice import app

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


class Lines:
    """What a command prints, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.seen: list[str] = []
        self._queue: Queue[str] = Queue()
        assert process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(process.stdout,))
        self._thread.start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._queue.put(line)

    def until(self, wanted: Callable[[str], bool]) -> str:
        """Wait for a line, and return it."""
        while True:
            line = self._queue.get(timeout=PATIENCE)
            self.seen.append(line)
            if wanted(line):
                return line

    def end(self) -> None:
        self._thread.join()
        while not self._queue.empty():
            self.seen.append(self._queue.get())


@contextmanager
def following(lattice: Lattice, *words: str) -> Iterator[Lines]:
    process = lattice.begin("logs", "-f", *words)
    lines = Lines(process)
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        lines.end()
        assert process.stdout is not None
        process.stdout.close()


def about(path: str) -> Callable[[str], bool]:
    return lambda line: f'"path": "{path}"' in line


def test_lines_of_all_hosts_are_heard_as_they_come_and_those_before_in_order(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "per-host")
    assert [lattice.get(name, "/before")[0] for name in "ab"] == [200, 200]

    with following(lattice, "shop", "--json") as lines:
        for _ in "ab":
            lines.until(about("/before"))
        assert [lattice.get(name, f"/{name}")[0] for name in "ab"] == [200, 200]
        heard = [json.loads(lines.until(lambda line: "/a" in line or "/b" in line)) for _ in "ab"]

    assert {(one["host"], one["path"]) for one in heard} == {("a", "/a"), ("b", "/b")}
    assert {one["app"] for one in map(json.loads, lines.seen)} == {"shop"}
    found = [json.loads(line) for line in lattice.wisp("logs", "--json").stdout.splitlines()]
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)
    assert {one["host"] for one in found} == {"a", "b"}
    assert {"supervisor", "access"} <= {one["kind"] for one in found}


def test_lines_are_chosen_by_host_component_and_level(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "per-host")
    for name in ("a", "b"):
        assert lattice.get(name)[0] == 200
        lattice.get(name, "/trap")

    def logged(*words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in lattice.wisp("logs", "--json", *words).stdout.splitlines()]

    assert {one["host"] for one in logged("--host", "b")} == {"b"}
    assert {one["component"] for one in logged("shop", "--component", "http2")} == {"http2"}
    assert logged("shop", "--component", "other") == []
    bad = logged("shop", "--level", "error")
    assert {one["level"] for one in bad} == {"error"}
    assert {one["host"] for one in bad} == {"a", "b"}
    assert logged("nothing") == []
    assert len(logged("--lines", "1")) == 2
    text = lattice.wisp("logs", "shop", "--host", "a").stdout
    assert " GET /hello 200 " in text
    assert all(line.startswith("a  ") for line in text.splitlines())


def test_nothing_travels_while_nobody_listens_and_hosts_write_their_own_lines_all_the_same(
    lattice: Lattice, tmp_path: Path
) -> None:
    host = lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    with following(lattice, "--json") as lines:
        lattice.get("a", "/heard")
        lines.until(about("/heard"))

    async def counted(state: Any) -> int:
        heard = 0

        async def take(_: bytes) -> None:
            nonlocal heard
            heard += 1

        hearing = await state.requests.hear("lines.>", take)
        path = f"/{time.monotonic_ns()}"
        for _ in range(5):
            lattice.get("a", path)
        host.line(kind="access", path=path)
        await state.requests.hear("end", take)  # it waits for an answer of NATS, behind all that was sent
        await hearing.stop()
        return heard

    # The host hears in a moment that nobody listens any more.
    deadline = time.monotonic() + PATIENCE
    while lattice.ask(counted) > 0:
        assert time.monotonic() < deadline
    assert lattice.ask(counted) == 0


def test_who_listens_goes_on_when_nats_has_been_away(lattice: Lattice, tmp_path: Path) -> None:
    host = lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    with following(lattice, "--json") as lines:
        lattice.get("a", "/first")
        lines.until(about("/first"))

        lattice.nats.kill()
        host.event("away")
        lattice.nats.start()
        host.event("joined")
        lines.until(lambda line: "NATS is away" in line)

        heard = threading.Event()

        def ask() -> None:
            while not heard.wait(0.1):
                lattice.get("a", "/again")

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            lines.until(about("/again"))
        finally:
            heard.set()
            asking.join()


def test_how_busy_hosts_and_apps_are_is_measured(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "per-host")
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            lattice.get("a")
            lattice.get("a", "/trap")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        found = lattice.json("top", "--once", "--interval", "1s")
    finally:
        ended.set()
        asking.join()

    hosts = {one["name"]: one for one in found["hosts"]}
    [shop] = found["apps"]
    assert hosts.keys() == {"a", "b"}
    assert hosts["a"]["requests"] == shop["requests"] > 0
    assert hosts["a"]["errors"] > 0
    assert hosts["a"]["latency_ms"] > 0
    assert (hosts["b"]["requests"], hosts["b"]["latency_ms"]) == (0, None)
    assert all(one["memory"] > 2**20 for one in hosts.values())
    assert (shop["name"], shop["hosts"], found["silent"]) == ("shop", 2, [])
    text = lattice.wisp("top", "--once", "--interval", "100ms").stdout
    assert [line.split()[0] for line in text.splitlines() if line] == ["HOST", "a", "b", "APP", "shop"]


def test_a_lattice_that_is_well_is_said_to_be_and_one_server_to_be_a_single_point(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    done = lattice.wisp("lattice", "status")
    found = lattice.json("lattice", "status")

    assert "a single point" in done.stderr
    assert (found["well"], found["planner"], found["hosts"], found["apps"]) == (True, "a", ["a"], 1)
    assert found["nats"] == {"servers": [], "replicas": 1, "current": 1}
    assert found["problems"] == []


def test_what_is_wrong_with_a_lattice_is_said_and_is_an_error(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.start("b", "--label", "zone=eu")
    lattice.wisp("deploy", app(tmp_path), "--require", "zone=eu")
    lattice.kill("b")
    lattice.until(lambda view: "b" not in view.hosts and view.assignment and view.assignment.missing)

    done = lattice.wisp("lattice", "status", "--json", code=1)

    found = json.loads(done.stdout)
    assert not found["well"]
    assert any(problem.startswith("shop: 1 missing") for problem in found["problems"])
    assert "error: shop: 1 missing" in lattice.wisp("lattice", "status", code=1).stderr

    lattice.nats.kill()
    away = lattice.wisp("lattice", "status", "--json", code=1)
    assert "no NATS server answers" in json.loads(away.stdout)["problems"][0]
    lattice.nats.start()
