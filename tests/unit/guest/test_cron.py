"""The handler of runs, outside of a component."""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType

import pytest

from wisp_guest import _runs, cron
from wisp_guest._host import Err

TICK = cron.Tick("*/5 * * * *", "UTC", datetime(2026, 1, 1, tzinfo=UTC), "0" * 32)


class Event:
    """What the bindings give."""

    schedule, timezone, planned, id = "*/5 * * * *", "UTC", 1_767_225_600, "0" * 32


@pytest.fixture(autouse=True)
def _no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron, "_handlers", [])


def test_a_handler_stays_callable_as_it_is() -> None:
    @cron.handler
    def clean(tick: cron.Tick) -> str:
        return tick.schedule

    assert clean(TICK) == "*/5 * * * *"


def test_a_component_has_one_handler_of_runs() -> None:
    @cron.handler
    def first(tick: cron.Tick) -> None:
        pass

    def second(tick: cron.Tick) -> None:
        pass

    with pytest.raises(TypeError, match=r"one handler of runs; .*first is it already, .*second cannot be"):
        cron.handler(second)


def test_the_handler_is_given_what_the_host_says() -> None:
    seen: list[cron.Tick] = []
    cron.handler(seen.append)

    _runs.handler_class(ModuleType("app"))().run(Event())

    assert seen == [TICK]


def test_an_exception_is_the_error_of_the_run_and_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    @cron.handler
    def clean(tick: cron.Tick) -> None:
        raise ValueError("no more work")

    with pytest.raises(Err) as caught:
        _runs.handler_class(ModuleType("app"))().run(Event())

    assert caught.value.value == "ValueError: no more work"
    assert "ValueError: no more work\n" in capsys.readouterr().err


def test_a_module_without_a_handler_is_told_how_to_have_one() -> None:
    with pytest.raises(
        TypeError, match=r"module app has no handler of runs: decorate .*@wisp_guest.cron.handler"
    ):
        _runs.handler_class(ModuleType("app"))
