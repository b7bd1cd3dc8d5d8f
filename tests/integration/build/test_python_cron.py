"""Python components that run by the clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.program import WISP, serving, wisp

if TYPE_CHECKING:
    from pathlib import Path

from urllib.request import urlopen

# The first run of all fetches componentize-py, and compiles what it makes.
pytestmark = pytest.mark.timeout(900)

JOB = """
from wisp_guest import cron


@cron.handler
def clean(tick: cron.Tick) -> None:
    print(tick.planned.isoformat(), tick.schedule, tick.timezone, tick.id)
"""

BOTH = """
import asyncio

from wisp_guest import cron
from wisp_guest.http import Request, Response, serve


@serve
def answer(request: Request) -> Response:
    return Response("served")


@cron.handler
async def work(tick: cron.Tick) -> None:
    await asyncio.sleep(0.01)
    raise ValueError("no more work")
"""

MANIFEST = """
app.name = "jobs"

[[http]]
route = "/..."
component = "both"

[[cron]]
schedule = "0 3 * * *"
component = "both"

[[cron]]
schedule = "*/5 * * * *"
timezone = "Europe/Berlin"
component = "job"

[component.job]
source = "job"

[component.both]
source = "both"
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "wisp.toml").write_text(MANIFEST, encoding="utf-8")
    for name, source in (("job", JOB), ("both", BOTH)):
        (folder / name).mkdir()
        (folder / name / "app.py").write_text(source, encoding="utf-8")
    return folder


def exports(app: Path) -> dict[str, list[str]]:
    parts = json.loads(wisp("inspect", "--json", folder=app).stdout)
    return {
        part["name"]: sorted(name for name in part["exports"] if "/" in name or ":" in name) for part in parts
    }


def test_a_component_exports_what_its_sources_handle(app: Path) -> None:
    assert exports(app) == {
        "job": ["wisp:cron/handler@0.1.0"],
        "both": ["wasi:http/incoming-handler@0.2.12", "wisp:cron/handler@0.1.0"],
    }


def test_a_handler_is_told_of_its_run(app: Path) -> None:
    ran = wisp("cron", "run", "job", folder=app)

    assert ran.returncode == 0, ran.stderr
    (line,) = [json.loads(text) for text in ran.stdout.splitlines()]
    planned, *schedule, zone, name = line["message"].split()
    assert planned.endswith("+00:00")
    assert (" ".join(schedule), zone) == ("*/5 * * * *", "Europe/Berlin")
    assert name == line["request_id"]


def test_an_exception_ends_the_run_with_its_traceback_in_the_log(app: Path) -> None:
    ran = wisp("cron", "run", "both", folder=app)

    assert ran.returncode == 1
    assert "ValueError: no more work\n" in ran.stderr
    messages = [json.loads(text)["message"] for text in ran.stdout.splitlines()]
    assert messages[0] == "Traceback (most recent call last):"
    assert '    raise ValueError("no more work")' in messages


def test_a_service_may_run_by_the_clock_too(app: Path) -> None:
    with (
        serving([WISP, "up", "--listen", "127.0.0.1:0"], folder=app) as url,
        urlopen(url, timeout=30) as answer,  # noqa: S310 - it is ours
    ):
        assert answer.read() == b"served"
