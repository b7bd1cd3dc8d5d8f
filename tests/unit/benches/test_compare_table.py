"""What `make bench-compare` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from comparing import criterion, table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("base", "now", "told"),
    [
        ([100.0, 102.0], [50.0, 51.0], ("0.500", "faster")),
        ([50.0, 51.0], [100.0, 102.0], ("2.000", "slower")),
        ([100.0, 108.0], [105.0, 115.0], ("1.058", "")),
        ([100.0, 100.1], [102.0, 102.1], ("1.020", "")),
    ],
)
def test_a_bench_has_changed_when_all_rounds_agree_and_it_is_not_a_little(
    base: list[float], now: list[float], told: tuple[str, str]
) -> None:
    measured = table.times([{"a": one} for one in base], [{"a": one} for one in now])

    line = list(table.benches(measured))[-1]

    ratio, verdict = told
    assert line.endswith(f"| {ratio} | {verdict} |")


def test_a_bench_that_only_one_side_has_is_told() -> None:
    measured = table.times([{"old": 1500.0}], [{"new": 2_500_000.0}])

    assert list(table.benches(measured))[2:] == [
        "| old | 1.5 µs (1.5 - 1.5) | - | - | only before |",
        "| new | - | 2.5 ms (2.5 - 2.5) | - | only now |",
    ]


def test_counts_are_told_for_one_request_with_their_difference() -> None:
    base = {"fresh": {"system calls": {"writev": 128, "recvfrom": 128}}}
    now = {
        "fresh": {"system calls": {"writev": 256, "futex": 1}, "allocations": {"allocations": 1280}},
    }

    assert list(table.counts(base, now, 128))[2:] == [
        "| fresh | system calls, futex | 0.00 | 0.01 | +0.01 |",
        "| fresh | system calls, recvfrom | 1.00 | 0.00 | -1.00 |",
        "| fresh | system calls, writev | 1.00 | 2.00 | +1.00 |",
        "| fresh | allocations | - | 10.00 |  |",
    ]


def test_medians_are_read_from_what_criterion_keeps(tmp_path: Path) -> None:
    for round_name, time in (("now-0", 12.5), ("now-1", 13.0)):
        folder = tmp_path / "group_a" / "wisp" / round_name
        folder.mkdir(parents=True)
        (folder / "benchmark.json").write_text(json.dumps({"full_id": "group a/wisp"}))
        (folder / "estimates.json").write_text(json.dumps({"median": {"point_estimate": time}}))

    assert criterion.medians(tmp_path, "now-1") == {"group a/wisp": 13.0}
