"""When jobs run."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.clock import at
from wisp.host.schedule import Job, jobs


def planned(schedule: str, after: str, count: int = 3, timezone: str = "Europe/Berlin") -> list[str]:
    """The next moments of a schedule, in UTC."""
    job = Job("app", "job", schedule, timezone, overlap=False, state=Path())
    return [f"{moment:%m-%d %H:%M}" for moment in islice(job.planned(at(after)), count)]


def test_a_schedule_goes_by_its_zone() -> None:
    assert planned("30 9 * * *", "2026-01-10 00:00", 1) == ["01-10 08:30"]
    assert planned("30 9 * * *", "2026-07-10 00:00", 1) == ["07-10 07:30"]
    assert planned("30 9 * * *", "2026-07-10 00:00", 1, "UTC") == ["07-10 09:30"]


def test_the_moment_itself_does_not_come_again() -> None:
    assert planned("*/5 * * * *", "2026-01-10 00:05", 1) == ["01-10 00:10"]


def test_days_of_the_month_and_of_the_week_are_either_or_where_both_are_given() -> None:
    assert planned("0 12 13 * fri", "2026-02-01 00:00", 4, "UTC") == [
        "02-06 12:00",
        "02-13 12:00",
        "02-20 12:00",
        "02-27 12:00",
    ]


def test_a_time_that_summer_time_skips_comes_at_once_after_the_change() -> None:
    # On 29 March 2026 the clocks of Berlin go from 2:00 to 3:00, which is 1:00 UTC.
    assert planned("30 2 * * *", "2026-03-28 02:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_times_that_summer_time_skips_come_once() -> None:
    assert planned("10,30 2 * * *", "2026-03-28 12:00", 2) == ["03-29 01:00", "03-30 00:10"]


def test_a_time_that_comes_twice_when_summer_time_ends_is_run_the_first_time() -> None:
    # On 25 October 2026 the clocks of Berlin go from 3:00 to 2:00, which is 1:00 UTC.
    assert planned("30 2 * * *", "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_a_host_that_starts_between_the_two_does_not_run_it_again() -> None:
    assert planned("30 2 * * *", "2026-10-25 01:10", 1) == ["10-26 01:30"]


def test_each_hour_comes_once_in_each_hour_that_passes() -> None:
    assert planned("0 * * * *", "2026-03-29 00:30", 2) == ["03-29 01:00", "03-29 02:00"]
    assert planned("0 * * * *", "2026-10-25 00:30", 3) == ["10-25 01:00", "10-25 02:00", "10-25 03:00"]


def test_minutes_with_a_star_go_by_what_the_clocks_show() -> None:
    # Skipped: the hour does not come. Twice: it comes twice.
    assert planned("*/30 2 * * *", "2026-03-28 12:00", 2) == ["03-30 00:00", "03-30 00:30"]
    assert planned("*/30 2 * * *", "2026-10-24 12:00", 4) == [
        "10-25 00:00",
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
    ]


@pytest.mark.parametrize("schedule", ["30 2 * * *", "*/7 * * * *", "0 0 1 * *", "15,45 1-3 * * *"])
@pytest.mark.parametrize("start", ["2026-03-28 20:13", "2026-10-24 20:13"])
def test_asking_again_after_each_moment_gives_the_same_moments(schedule: str, start: str) -> None:
    job = Job("app", "job", schedule, "Europe/Berlin", overlap=False, state=Path())
    at_once = list(islice(job.planned(at(start)), 60))

    one_by_one, last = [], at(start)
    for _ in range(60):
        last = next(job.planned(last))
        one_by_one.append(last)

    assert one_by_one == at_once
    assert sorted(set(at_once)) == at_once


def test_jobs_are_read_from_what_workers_are_told_each_once() -> None:
    cron = {"schedule": "* * * * *", "timezone": "UTC", "overlap": True, "component": "job"}
    app = {"name": "app", "state": "/state", "cron": [cron, cron]}

    assert jobs([app]) == (Job("app", "job", "* * * * *", "UTC", overlap=True, state=Path("/state")),)
