"""What is told of services that nobody uses."""

import pytest
from harness import bodies, density, held
from harness.density import Deployed
from harness.servers import MeasurementError

NONE = [Deployed(0, 40_000_000, 20_000_000, 0.3), Deployed(0, 41_000_000, 21_000_000, 0.3)]


def deployed(memory: int, ready: float, late: float) -> Deployed:
    first = (1.0,) * 980 + (late,) * 20
    return Deployed(density.MOST, memory, memory // 2, ready, first)


def test_memory_counts_from_the_least_that_a_host_without_components_takes() -> None:
    found = density.section([*NONE, deployed(130_000_000, 2.0, 5.0)], "wisp up")

    assert [row.value for row in found.rows] == [90.0, 2.0, 5.0]
    assert [row.is_met for row in found.rows] == [True, True, True]


def test_more_memory_a_late_start_and_late_first_requests_are_missed_bars() -> None:
    found = density.section([*NONE, deployed(150_000_000, 3.5, 11.0)], "wisp up")

    assert [row.is_met for row in found.rows] == [False, False, False]


def test_of_first_requests_the_percentiles_are_kept_and_one_line_is_told_for_each_size() -> None:
    found = density.section([*NONE, deployed(130_000_000, 2.0, 5.0)], "wisp up")

    assert [line[0] for line in found.tables[1].lines] == ["0", "10,000"]
    assert isinstance(found.samples, list)
    assert found.samples[-1]["first"] == {"p50": 1.0, "p90": 1.0, "p99": 5.0, "most": 5.0}


def test_a_way_that_is_half_as_fast_as_native_hyper_meets_its_bar() -> None:
    rates = {
        "in": {"wisp": [500.0], "native hyper": [1000.0]},
        "out": {"wisp": [499.0], "native hyper": [1000.0]},
    }

    assert [row.is_met for row in bodies.section(rates, ()).rows] == [True, False]


def test_requests_in_progress_are_those_of_all_components() -> None:
    assert held.active({"pools": [{"active": 3}, {"active": 4}]}) == 7
    with pytest.raises(MeasurementError, match="do not tell of pools"):
        held.active({})
