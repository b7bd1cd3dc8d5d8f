"""Jobs: real workers that run a real component, by a clock that the test sets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.clock import SetClock
from tests.guests.build import component
from tests.integration.host.hosts import PATIENCE, Running, running, settings
from wisp.cli.prepare import PrepareOptions, prepare
from wisp.errors import ComponentError, HostError
from wisp.host.resolve import Place, resolve
from wisp.host.settings import Start

if TYPE_CHECKING:
    from pathlib import Path

# The first run of all builds and compiles the guest.
pytestmark = pytest.mark.timeout(600)

HOURS = 'schedule = "0 * * * *"'


async def prepared(folder: Path, does: str, cron: str = HOURS, limits: str = "") -> Start:
    """An app with one job, as workers are told of it."""
    manifest = f"""
[app]
name = "app"

[[cron]]
component = "job"
{cron}

[component.job]
source = "{component("job")}"
environment.JOB = "{does}"
limits = {{ {limits} }}
"""
    (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
    (app,) = await prepare([folder], PrepareOptions(), lambda _: None)
    place = Place.of(app.name, app.folder, None)
    return Start(apps=(resolve(app.locked, place, {}),), artifacts=app.artifacts, watch=app.watch)


@dataclass
class Timed(Running):
    """A host whose clock stands at 11:30 until the test sets it."""

    clock: SetClock = field(default_factory=lambda: SetClock("2026-01-01 11:30"))

    async def at(self, text: str) -> None:
        """Make it so late, once all jobs wait."""
        await self.clock.asked()
        self.clock.set(f"2026-01-01 {text}")

    async def crons(self) -> Any:
        _, metrics = await self.admin_page("metrics")
        return metrics["cron"]


def guest_lines(text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["kind"] == "guest"]


async def test_a_run_happens_once_in_all_workers_and_its_lines_have_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host = Timed(settings(workers=2), prepared=[await prepared(tmp_path, "nothing")])

    async with running(host):
        events = []
        for hour in ("12:00", "13:00", "14:00", "15:00"):
            await host.at(hour)
            events.append(await host.event("cron-ran"))

    lines = guest_lines(capfd.readouterr().out)
    # Two workers write them, each when it comes to it; the message has the moment.
    begun = sorted(
        (line for line in lines if line["message"].startswith("begins ")),
        key=lambda line: str(line["message"]),
    )
    assert [line["request_id"] for line in begun] == [event["request_id"] for event in events]
    moments = (1767268800, 1767272400, 1767276000, 1767279600)
    assert [line["message"] for line in begun] == [
        f"begins 0 * * * * UTC {moment} {event['request_id']}"
        for moment, event in zip(moments, events, strict=True)
    ]
    assert {(line["app"], line["component"]) for line in lines} == {("app", "job")}


async def test_runs_are_counted_and_the_next_one_is_told(tmp_path: Path) -> None:
    host = Timed(settings(), prepared=[await prepared(tmp_path, "fail no cheese")])

    async with running(host):
        await host.at("12:00")
        await host.event("cron-failed")
        await host.clock.asked()
        crons = await host.crons()

    assert crons == [
        {
            "app": "app",
            "component": "job",
            "schedule": "0 * * * *",
            "timezone": "UTC",
            "runs": 1,
            "failures": 1,
            "skipped": 0,
            "missed": 0,
            "running": 0,
            "next": "2026-01-01T13:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("does", "limits", "reason"),
    [
        ("fail the shelf is empty", "", "the shelf is empty"),
        ("trap", "", "trap: "),
        ("spin", 'timeout = "200ms"', "it took longer than 200 ms (limits.timeout)"),
        ("sleep 60000", 'timeout = "200ms"', "it took longer than 200 ms (limits.timeout)"),
    ],
)
async def test_a_run_that_fails_says_why_and_the_next_one_comes(
    tmp_path: Path, does: str, limits: str, reason: str
) -> None:
    host = Timed(settings(workers=1), prepared=[await prepared(tmp_path, does, limits=limits)])

    async with running(host):
        pids = await host.pids()
        for hour in ("12:00", "13:00"):
            await host.at(hour)
            failed = await host.event("cron-failed")
            assert str(failed["reason"]).startswith(reason)
            assert failed["level"] == "error"
        assert await host.pids() == pids


async def test_a_complaint_that_is_very_long_is_cut(tmp_path: Path) -> None:
    host = Timed(settings(workers=1), prepared=[await prepared(tmp_path, f"fail {'ä' * 10_000}")])

    async with running(host):
        await host.at("12:00")
        failed = await host.event("cron-failed")

    assert failed["reason"] == "ä" * 4096 + " ..."


async def test_a_run_is_left_out_while_the_one_before_it_goes_on(tmp_path: Path) -> None:
    host = Timed(settings(drain_timeout=0.1), prepared=[await prepared(tmp_path, "sleep 60000")])

    async with running(host):
        await host.at("12:00")
        await host.at("13:00")
        skipped = await host.event("cron-skipped")
        (counts,) = await host.crons()

    assert skipped["planned"] == "2026-01-01T13:00:00Z"
    assert (counts["runs"], counts["skipped"], counts["running"]) == (1, 1, 1)


async def test_runs_overlap_where_the_manifest_says_so_each_in_another_worker(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Each of two workers does one at a time: in one, the second would wait for the first.
    start = await prepared(tmp_path, "sleep 2000", f"{HOURS}\noverlap = true", "concurrency = 2")
    host = Timed(settings(workers=2), prepared=[start])

    async with running(host):
        await host.at("12:00")
        await host.at("13:00")
        for _ in range(2):
            await host.event("cron-ran")

    lines = guest_lines(capfd.readouterr().out)
    assert [line["message"].partition(" ")[0] for line in lines] == ["begins", "begins", "ends", "ends"]


async def test_a_run_fails_when_its_worker_dies_and_the_next_one_comes(tmp_path: Path) -> None:
    host = Timed(settings(workers=1), prepared=[await prepared(tmp_path, "sleep 800")])

    async with running(host):
        (pid,) = await host.pids()
        await host.at("12:00")
        await host.clock.asked()
        os.kill(pid, signal.SIGKILL)
        failed = await host.event("cron-failed")
        await host.event("worker-restarted")
        host.clock.set("2026-01-01 13:00")
        ran = await host.event("cron-ran")

    assert failed["reason"] == "it was cut off: worker 0 was killed by SIGKILL"
    assert ran["planned"] == "2026-01-01T13:00:00Z"


async def test_a_host_that_ends_waits_for_the_runs_that_are_in_progress(tmp_path: Path) -> None:
    host = Timed(settings(drain_timeout=20.0), prepared=[await prepared(tmp_path, "sleep 500")])

    async with running(host) as task:
        await host.at("12:00")
        await host.clock.asked()
        os.kill(os.getpid(), signal.SIGTERM)
        ran = await host.event("cron-ran")
        assert await asyncio.wait_for(task, PATIENCE) == 0

    assert ran["planned"] == "2026-01-01T12:00:00Z"


async def test_a_host_that_ends_does_not_wait_longer_than_it_drains(tmp_path: Path) -> None:
    host = Timed(
        settings(drain_timeout=0.2),
        prepared=[await prepared(tmp_path, "sleep 600000", limits='timeout = "20m"')],
    )

    async with running(host) as task:
        await host.at("12:00")
        await host.clock.asked()
        os.kill(os.getpid(), signal.SIGTERM)
        failed = await host.event("cron-failed")
        assert await asyncio.wait_for(task, PATIENCE) == 0

    assert failed["reason"] == "it was cut off: the time to drain was over"


async def test_a_reload_keeps_schedules_and_a_run_ends_in_the_workers_that_it_began_in(
    tmp_path: Path,
) -> None:
    first = await prepared(tmp_path, "sleep 500")
    second = await prepared(tmp_path, "nothing")
    host = Timed(settings(drain_timeout=20.0), prepared=[first, second])

    async with running(host):
        await host.at("12:00")
        await host.clock.asked()
        os.kill(os.getpid(), signal.SIGHUP)
        seen = {str(event["event"]): event for event in [await host.event("cron-ran")]}
        host.clock.set("2026-01-01 13:00")
        seen["again"] = await host.event("cron-ran")
        (counts,) = await host.crons()

    assert seen["cron-ran"]["planned"] == "2026-01-01T12:00:00Z"
    assert seen["again"]["planned"] == "2026-01-01T13:00:00Z"
    assert (counts["runs"], counts["missed"], counts["skipped"]) == (2, 0, 0)


async def test_runs_that_a_host_missed_are_told_by_the_next_one(tmp_path: Path) -> None:
    start = await prepared(tmp_path, "nothing")
    host = Timed(settings(workers=1), prepared=[start])
    async with running(host):
        await host.at("12:00")
        await host.event("cron-ran")

    later = Timed(settings(workers=1), prepared=[start], clock=SetClock("2026-01-01 15:30"))
    async with running(later):
        missed = await later.event("cron-missed")

    assert missed["message"] == (
        "app/job: 3 runs were missed since 2026-01-01T13:00:00Z: the host was not running"
    )


async def test_a_component_that_does_not_export_the_handler_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    manifest = f"""
[app]
name = "app"

[[cron]]
component = "web"
{HOURS}

[component.web]
source = "{component("http2")}"
"""
    (tmp_path / "wisp.toml").write_text(manifest, encoding="utf-8")

    with pytest.raises(
        ComponentError, match="component web cannot run by the clock: it exports wasi:http"
    ) as found:
        await prepare([tmp_path], PrepareOptions(), lambda _: None)
    assert found.value.hint == "what [[cron]] names must export wisp:cron/handler@0.1.0"


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ("http2", "it does not export wisp:cron/handler@0.1.0"),
        ("absent", "it is not there"),
    ],
)
async def test_a_worker_refuses_it_too(tmp_path: Path, named: str, complaint: str) -> None:
    shutil.copyfile(component("http2"), tmp_path / "http2.wasm")
    (app,) = await prepare([tmp_path / "http2.wasm"], PrepareOptions(), lambda _: None)
    cron = {"schedule": "* * * * *", "timezone": "UTC", "overlap": False, "component": named}
    told = {**resolve(app.locked, Place.of(app.name, app.folder, None), {}), "cron": [cron]}
    host = Running(settings(workers=1), prepared=[Start(apps=(told,), artifacts=app.artifacts)])

    with pytest.raises(HostError) as found:
        async with running(host) as task:
            await task
    assert found.value.message.startswith(f"component {named}: ")
    assert complaint in found.value.message
