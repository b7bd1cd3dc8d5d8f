"""When runs begin, and what is said of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.clock import SetClock
from wisp.host.control import Ran
from wisp.host.cron import MOST_MISSED, Scheduler
from wisp.host.log import Log
from wisp.host.schedule import Job
from wisp.host.settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wisp.host.settings import JsonObject


@dataclass
class Hand:
    """A host by hand: the test sets its clock, sees the orders that its worker would get, and says how they end."""

    folder: Path
    clock: SetClock
    scheduler: Scheduler = field(init=False)
    orders: asyncio.Queue[tuple[Any, asyncio.Future[Ran]]] = field(default_factory=asyncio.Queue)
    log: Path = field(init=False)
    read: int = 0

    def __post_init__(self) -> None:
        self.log = self.folder / "log"
        self.descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.scheduler = Scheduler(self.call, Log(LogSettings(format="json"), self.descriptor), self.clock)

    async def call(self, order: JsonObject) -> Ran:
        ended: asyncio.Future[Ran] = asyncio.get_running_loop().create_future()
        self.orders.put_nowait((order, ended))
        return await ended

    async def order(self) -> tuple[Any, asyncio.Future[Ran]]:
        return await asyncio.wait_for(self.orders.get(), 20)

    async def end(self, failure: str | None = None) -> Any:
        """End the next run."""
        order, ended = await self.order()
        ended.set_result(Ran(order["id"], 12_345, failure))
        return order

    def said(self) -> list[dict[str, Any]]:
        """What was said since the last time."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        new, self.read = lines[self.read :], len(lines)
        return new

    def count(self) -> dict[str, object]:
        (metrics,) = self.scheduler.metrics()
        return {name: metrics[name] for name in ("runs", "failures", "skipped", "missed", "running")}


@contextlib.asynccontextmanager
async def host(folder: Path, now: str) -> AsyncIterator[Hand]:
    hand = Hand(folder, SetClock(now))
    yield hand
    hand.scheduler.close()
    os.close(hand.descriptor)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("app", "job", "*/5 * * * *", "UTC", overlap=False, state=tmp_path / "state")


async def test_a_run_begins_when_its_time_has_come_and_is_told_of(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        planned = await hand.clock.asked()
        assert hand.orders.empty()
        hand.clock.set("2026-01-01 12:05")
        order = await hand.end()
        await hand.clock.asked()
        await hand.scheduler.finished()

        assert f"{planned:%H:%M}" == "12:05"
        assert order["planned"] == planned.timestamp()
        assert (order["app"], order["component"]) == ("app", "job")
        assert (order["schedule"], order["timezone"]) == ("*/5 * * * *", "UTC")
        (line,) = hand.said()
        assert line["event"] == "cron-ran"
        assert line["message"] == "app/job ran in 12 ms"
        assert (line["request_id"], line["microseconds"]) == (order["id"], 12_345)
        assert line["planned"] == "2026-01-01T12:05:00Z"
        assert hand.count() == {"runs": 1, "failures": 0, "skipped": 0, "missed": 0, "running": 0}
        assert hand.scheduler.metrics()[0]["next"] == "2026-01-01T12:10:00Z"


async def test_each_run_has_a_name_of_its_own(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        names = []
        for minute in ("05", "10"):
            await hand.clock.asked()
            hand.clock.set(f"2026-01-01 12:{minute}")
            names.append((await hand.end())["id"])

    assert len({*names}) == 2
    assert all(len(name) == 32 for name in names)


async def test_a_run_that_fails_is_told_of_and_the_next_one_comes(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        await hand.end("out of cheese")
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:10")
        await hand.end()
        await hand.scheduler.finished()

        failed, ran = hand.said()
        assert failed["event"] == "cron-failed"
        assert failed["level"] == "error"
        assert failed["message"] == "app/job failed after 12 ms: out of cheese"
        assert failed["reason"] == "out of cheese"
        assert ran["event"] == "cron-ran"
        assert hand.count() == {"runs": 2, "failures": 1, "skipped": 0, "missed": 0, "running": 0}


async def test_a_run_is_left_out_while_the_one_before_it_goes_on(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        order, ended = await hand.order()
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:10")
        await hand.clock.asked()

        (skipped,) = hand.said()
        assert skipped["event"] == "cron-skipped"
        assert skipped["message"] == (
            "app/job: the run of 2026-01-01T12:10:00Z is left out, because the one before it goes on"
        )
        assert hand.count() == {"runs": 1, "failures": 0, "skipped": 1, "missed": 0, "running": 1}

        ended.set_result(Ran(order["id"], 1, None))
        hand.clock.set("2026-01-01 12:15")
        await hand.end()


async def test_runs_overlap_where_that_is_asked_for(tmp_path: Path, job: Job) -> None:
    overlapping = Job(job.app, job.component, job.schedule, job.timezone, overlap=True, state=job.state)

    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([overlapping])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        first = await hand.order()
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:10")
        second = await hand.order()

        assert hand.count()["running"] == 2
        for order, ended in (first, second):
            ended.set_result(Ran(order["id"], 1, None))
        await hand.scheduler.finished()


async def test_runs_that_came_while_the_host_was_down_are_missed_and_said(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
    async with host(tmp_path, "2026-01-01 12:17") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        planned = await hand.clock.asked()

        (missed,) = hand.said()
        assert missed["event"] == "cron-missed"
        assert missed["message"] == (
            "app/job: 3 runs were missed since 2026-01-01T12:05:00Z: the host was not running"
        )
        assert (missed["missed"], missed["until"]) == (3, "2026-01-01T12:15:00Z")
        assert hand.count() == {"runs": 0, "failures": 0, "skipped": 0, "missed": 3, "running": 0}
        assert f"{planned:%H:%M}" == "12:20"


async def test_a_run_whose_time_came_a_moment_ago_is_not_missed(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
    async with host(tmp_path, "2026-01-01 12:10:20") as hand:
        hand.scheduler.keep([job])
        order = await hand.end()
        await hand.scheduler.finished()

        assert order["planned"] % 3600 == 600
        assert [(line["event"], line.get("missed")) for line in hand.said()] == [
            ("cron-missed", 1),
            ("cron-ran", None),
        ]


async def test_a_run_that_has_begun_does_not_begin_again_in_the_next_host(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        await hand.order()
    async with host(tmp_path, "2026-01-01 12:05:10") as hand:
        hand.scheduler.keep([job])

        assert f"{await hand.clock.asked():%H:%M}" == "12:10"
        assert hand.said() == []


async def test_runs_that_came_while_the_machine_was_asleep_are_missed(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 14:03")
        await hand.clock.asked()

        (missed,) = hand.said()
        assert missed["missed"] == 24
        assert missed["message"].endswith("the host was asleep, or the clock was set")


async def test_a_clock_that_is_set_back_repeats_nothing(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        await hand.end()
        hand.clock.set("2026-01-01 11:30")

        assert f"{await hand.clock.asked():%H:%M}" == "12:10"
        assert hand.orders.empty()


async def test_years_of_missed_runs_are_not_counted_one_by_one(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2016-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:03")
        planned = await hand.clock.asked()

        (missed,) = hand.said()
        assert missed["message"].startswith(f"app/job: {MOST_MISSED} or more runs were missed since 2016-")
        assert f"{planned:%Y-%m-%d %H:%M}" == "2026-01-01 12:05"


async def test_a_reload_keeps_what_it_does_not_change(tmp_path: Path, job: Job) -> None:
    other = Job("app", "other", "0 * * * *", "UTC", overlap=False, state=job.state)
    another = Job("app", "another", "0 0 * * *", "UTC", overlap=False, state=job.state)

    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job, other])
        await hand.clock.asked()
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        await hand.end()
        await hand.clock.asked()
        await hand.scheduler.finished()
        hand.scheduler.keep([another, job])
        planned = await hand.clock.asked()

        assert f"{planned:%d %H:%M}" == "02 00:00"
        names = {str(entry["component"]): entry["runs"] for entry in hand.scheduler.metrics()}
        assert names == {"job": 1, "another": 0}


async def test_a_run_goes_on_when_a_reload_takes_its_job_away(tmp_path: Path, job: Job) -> None:
    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        order, ended = await hand.order()
        hand.scheduler.keep([])
        ended.set_result(Ran(order["id"], 1, None))
        await hand.scheduler.finished()

        assert [line["event"] for line in hand.said()] == ["cron-ran"]


async def test_state_that_cannot_be_written_does_not_stop_a_job(tmp_path: Path, job: Job) -> None:
    job.state.write_text("a file where the folder would be")

    async with host(tmp_path, "2026-01-01 12:03") as hand:
        hand.scheduler.keep([job])
        await hand.clock.asked()
        hand.clock.set("2026-01-01 12:05")
        await hand.end()
        await hand.scheduler.finished()

        assert [line["event"] for line in hand.said()] == ["cron-state-failed", "cron-ran"]
