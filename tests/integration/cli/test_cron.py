"""`wisp cron`, and what other commands show of schedules."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration.cli.program import wisp

if TYPE_CHECKING:
    from pathlib import Path

# The first run of all builds and compiles the guest.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    manifest = f"""
[app]
name = "jobs"

[[cron]]
schedule = "30 2 * * *"
timezone = "Europe/Berlin"
component = "nightly"

[[cron]]
schedule = "*/5 * * * *"
component = "often"
overlap = true

[component.nightly]
source = "{component("job")}"

[component.often]
source = "{component("job")}"
environment.JOB = "fail it is too often"
"""
    (tmp_path / "wisp.toml").write_text(manifest, encoding="utf-8")
    return tmp_path


def test_the_list_tells_each_schedule_and_its_next_runs(app: Path) -> None:
    before = datetime.now(UTC)
    found = json.loads(wisp("cron", "list", "--count", "2", "--json", folder=app).stdout)

    assert [(cron["component"], cron["schedule"], cron["timezone"], cron["overlap"]) for cron in found] == [
        ("nightly", "30 2 * * *", "Europe/Berlin", False),
        ("often", "*/5 * * * *", "UTC", True),
    ]
    for cron in found:
        moments = [datetime.fromisoformat(text) for text in cron["next"]]
        assert before < moments[0] < moments[1]
    shown = wisp("cron", "list", folder=app).stdout.splitlines()
    assert re.fullmatch(r"nightly  30 2 \* \* \*   Europe/Berlin  \d{4}-\d\d-\d\d 0[01]:30 UTC", shown[0])
    assert len(shown) == 2


def test_an_app_without_schedules_says_so(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").write_text('app.name = "none"\ncomponent.x.source = "."\n', encoding="utf-8")

    assert wisp("cron", "list", folder=tmp_path).stdout == "wisp.toml has no [[cron]]\n"


def test_a_job_runs_once_by_hand_as_its_schedule_would_run_it(app: Path) -> None:
    ran = wisp("cron", "run", "nightly", folder=app)

    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    first = next(line for line in lines if line["kind"] == "guest")
    assert first["message"].startswith("begins 30 2 * * * Europe/Berlin ")
    assert first["message"].endswith(first["request_id"])
    assert re.search(r"nightly ran in [\d.]+ m?s\n", ran.stderr)


def test_a_job_that_fails_is_an_error_with_its_reason(app: Path) -> None:
    ran = wisp("cron", "run", "often", folder=app)

    assert ran.returncode == 1
    assert re.search(r"error: often failed after [\d.]+ m?s: it is too often\n", ran.stderr)


def test_a_component_without_a_schedule_is_refused(app: Path) -> None:
    ran = wisp("cron", "run", "other", folder=app)

    assert ran.returncode == 1
    assert "error: no [[cron]] names a component other\n" in ran.stderr
    assert "hint: those that run by the clock: nightly, often" in ran.stderr


def test_inspect_tells_when_a_component_runs(app: Path) -> None:
    shown = wisp("inspect", folder=app).stdout
    (nightly, often) = json.loads(wisp("inspect", "--json", folder=app).stdout)

    assert "schedules\n│   └── 30 2 * * * Europe/Berlin" in shown
    assert nightly["schedules"] == ["30 2 * * * Europe/Berlin"]
    assert often["schedules"] == ["*/5 * * * * UTC"]


def test_a_component_that_only_runs_by_the_clock_is_not_served_without_a_manifest(tmp_path: Path) -> None:
    refused = wisp("up", component("job"), "--listen", "127.0.0.1:0", folder=tmp_path)

    assert refused.returncode == 1
    assert "cannot serve HTTP: it exports wisp:cron/handler@0.1.0" in refused.stderr
    assert "hint: it runs by the clock: say when, with [[cron]] in wisp.toml" in refused.stderr
