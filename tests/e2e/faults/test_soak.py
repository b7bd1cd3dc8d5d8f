"""The soak: what happens in it depends on the seed only, and a short one runs with all tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.faults import network
from tests.e2e.faults.schedule import KINDS, Schedule

HOSTS = ["h1", "h2", "h3", "h4", "h5"]


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    one, same, other = (Schedule(seed, HOSTS, ["blog", "shop"]) for seed in (7, 7, 8))

    first = [one.next() for _ in range(50)]

    assert first == [same.next() for _ in range(50)]
    assert first != [other.next() for _ in range(50)]


def test_every_kind_of_fault_has_its_turn_and_happens_to_a_minority() -> None:
    schedule = Schedule(1, HOSTS, ["blog"])

    faults = [schedule.next() for _ in KINDS]

    assert {fault.kind for fault in faults} == set(KINDS)
    assert {len(fault.hosts) for fault in faults} == {1, 2}


def test_no_app_is_wanted_so_often_that_a_host_of_three_could_not_be_left() -> None:
    schedule = Schedule(1, HOSTS[:3], ["blog"])

    wanted = {replicas for _ in range(200) for _, replicas in schedule.next().deploys}

    assert wanted == {"1", "2", "per-host"}


@pytest.mark.timeout(300)
def test_a_soak_says_its_seed_and_what_happens_and_ends_well() -> None:
    if reason := network.unavailable():
        pytest.skip(f"NOT TESTED, a soak: {reason}")
    words = [sys.executable, "-m", "tests.e2e.faults.soak", "--seed", "7", "--seconds", "1"]

    done = subprocess.run(words, cwd=network.ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "again with `make soak SEED=7 SECONDS=1`" in done.stdout
    assert f"1. {Schedule(7, HOSTS, ['blog', 'pair', 'shop']).next()}" in done.stdout
    assert "1 faults, all invariants held" in done.stdout
