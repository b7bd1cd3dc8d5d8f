from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli.prepared import PreparedApp, PreparedComponent, PreparedLink
from wisp.cli.screen import Screen
from wisp.host.service import Listening

if TYPE_CHECKING:
    import pytest

ROUTES = [
    {"route": "/rust/process", "methods": ["POST"], "hosts": [], "component": "rust"},
    {"route": "/...", "methods": [], "hosts": ["api.example"], "component": "python"},
]
SCHEDULES = [{"schedule": "*/5 * * * *", "timezone": "Europe/Berlin", "component": "rust"}]
COMPONENTS = (
    PreparedComponent("rust", "sha256:1", 34_000, "rust", cached=True, seconds=0.0),
    PreparedComponent("python", "sha256:2", 18_000_000, "python", cached=False, seconds=4.2),
)
LINKS = (PreparedLink("python", "cyber:text/format@0.1.0", "rust", "bridged", "the manifest says so"),)
APP = PreparedApp(
    name="polyglot",
    folder=Path(),
    locked={"http": ROUTES, "cron": SCHEDULES},
    components=COMPONENTS,
    links=LINKS,
    artifacts={},
    watch=(),
)


def test_the_first_screen_shows_routes_sizes_addresses_and_the_time_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(shown=True)

    screen.listening(Listening("http://127.0.0.1:3000", "http://127.0.0.1:4000", 2), [APP])

    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [re.sub(r" {2,}", "  ", line).strip() for line in printed.err.splitlines()]
    assert "POST  /rust/process  rust  33.2 KiB  rust" in lines
    assert "ANY  api.example/...  python  17.2 MiB  python built in 4.2 s" in lines
    assert "CRON  */5 * * * *  Europe/Berlin  rust  33.2 KiB  rust" in lines
    assert "python  -> rust  cyber:text/format@0.1.0  bridged: the manifest says so" in lines
    assert "admin  http://127.0.0.1:4000/.well-known/wisp/health" in lines
    assert re.search(r"http://127\.0\.0\.1:3000  ready in [0-9.]+ .+, 2 workers", printed.err)


def test_nothing_is_shown_where_a_program_reads_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(shown=False).listening(Listening("http://127.0.0.1:3000", None, 1), [APP])

    assert capsys.readouterr().err == ""


def test_one_worker_is_not_called_workers(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(shown=True).listening(Listening("http://127.0.0.1:3000", None, 1), [APP])

    printed = capsys.readouterr().err
    assert "1 worker\n" in printed
    assert "admin" not in printed
