"""Disks that are full and clocks that jump: on machines of their own, with all invariants."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.faults.cluster import DAY, EVERYWHERE, Cluster, machines, names
from tests.e2e.faults.machine import Clock, Disk, no_clocks
from tests.e2e.faults.network import Network, unavailable
from tests.e2e.host import PROGRAM, Host, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.lattice.state import State

pytestmark = pytest.mark.timeout(400)
RENEWALS = 4


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def wires(stack: ExitStack) -> Network:
    if reason := unavailable():
        pytest.skip(f"NOT TESTED, faults of many machines: {reason}")
    made = stack.enter_context(Network(*machines(3)))
    stack.enter_context(made.entered("client"))
    return made


def test_a_host_with_a_full_disk_goes_on_and_does_what_it_is_told_when_there_is_room(
    stack: ExitStack, wires: Network, tmp_path: Path, cache: Path
) -> None:
    cluster = Cluster(tmp_path, cache, wires)
    disk = stack.enter_context(Disk(cluster.data("h1"), 1024))
    stack.enter_context(cluster)
    cluster.certify("h1", disk.seen / "identity")
    cluster.launch("h1", before=disk.words)
    cluster.up("h2", "h3")

    with cluster.traffic():
        disk.fill()
        cluster.deploy(EVERYWHERE, "per-host", timeout="5s")
        cluster.deploy("pair", "3", timeout="5s")
        assert any(
            line.get("event") in {"remember-failed", "app-failed"} for line in cluster.hosts["h1"].lines
        )
        disk.free()


def test_nats_with_a_full_disk_refuses_what_it_cannot_keep_and_stops_nothing(
    stack: ExitStack, wires: Network, tmp_path: Path, cache: Path
) -> None:
    disk = stack.enter_context(Disk(tmp_path / "nats", 64 * 1024))
    cluster = stack.enter_context(Cluster(tmp_path, cache, wires, nats=disk.words))
    cluster.up(*names(3))

    with cluster.traffic():
        disk.fill()
        assert not cluster.deploy("pair", "2", timeout="5s")
        disk.free()
        marks = {name: len(host.lines) for name, host in cluster.hosts.items()}
        cluster.nats.kill()
        cluster.nats.start()
        for name, host in cluster.hosts.items():
            host.event("joined", since=marks[name])
        assert cluster.deploy("pair", "2"), cluster.said


def test_the_embedded_nats_writes_again_when_its_disk_has_room_again(
    stack: ExitStack, tmp_path: Path, cache: Path
) -> None:
    if reason := unavailable():
        pytest.skip(f"NOT TESTED, a full disk of NATS: {reason}")
    disk = stack.enter_context(Disk(tmp_path / "nats", 8 * 1024))
    variables = environment(cache, WISP_STATE_DIR=str(tmp_path / "state"))
    words = (
        "--http",
        "127.0.0.1:0",
        "--nats-listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--log-format",
        "json",
    )
    data = ("--nats-data", str(tmp_path / "nats"))
    app = tmp_path / "wisp.toml"
    app.write_text(manifest_of("http2", "/...", {}), encoding="utf-8")

    with Host(
        *words,
        *data,
        folder=tmp_path,
        variables=variables,
        listen=None,
        through=disk.words,
        command=("lattice", "up"),
    ) as host:
        host.event("joined")
        disk.fill()
        assert run(variables, "deploy", app).returncode == 1
        since = len(host.lines)
        disk.free()
        host.event("joined", since=since)

        assert run(variables, "deploy", app).returncode == 0


def run(variables: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=variables, capture_output=True, text=True, check=False, timeout=90
    )


def test_a_host_whose_clock_jumps_keeps_its_lease_and_plans_on(
    stack: ExitStack, wires: Network, tmp_path: Path, cache: Path
) -> None:
    if reason := no_clocks():
        pytest.skip(f"NOT TESTED, clocks that jump: {reason}")
    cluster = stack.enter_context(Cluster(tmp_path, cache, wires))
    clocks = {name: Clock(tmp_path / f"clock-{name}") for name in names(3)}
    for name, clock in clocks.items():
        cluster.launch(name, variables=clock.variables)
    cluster.up()
    planner = cluster.planner()

    with cluster.traffic():
        for jump in (DAY, -DAY):
            clocks[planner].set(jump)
            assert cluster.ask(lambda state: renewed(state, planner)) == RENEWALS
            assert cluster.deploy("pair", "2")
            assert cluster.planner() == planner

    # The log has the wall clock's time: it has really jumped.
    times = [str(line["time"])[:10] for line in cluster.hosts[planner].lines]
    assert len(set(times)) >= 2, times


async def renewed(state: State, host: str) -> int:
    """Look until a host has renewed its lease some times without losing it, and return how often."""
    key, seen = f"host.{host}", set[int | None]()
    async for entry in state.live.told(await state.live._keys.watch(key), key):
        if entry is not None:
            assert entry.operation is None, f"{host} has lost its lease"
            seen.add(entry.revision)
        if len(seen) > RENEWALS:
            break
    return len(seen) - 1
