from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from wisp.host.log import Log
from wisp.host.settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_json_line_has_the_fields_of_every_log_line_and_its_own(pipe: tuple[int, int]) -> None:
    Log(LogSettings(format="json"), pipe[1]).event("listening", "listening on ü", url="http://x", admin=None)

    line = json.loads(os.read(pipe[0], 4096))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "kind": "supervisor",
        "event": "listening",
        "message": "listening on ü",
        "url": "http://x",
        "admin": None,
    }


def test_a_text_line_has_the_time_and_the_message(pipe: tuple[int, int]) -> None:
    Log(LogSettings(), pipe[1]).event("reloaded", "reloaded in 3 ms", milliseconds=3)

    assert re.fullmatch(rb"\d\d:\d\d:\d\d\.\d{3} supervisor  reloaded in 3 ms\n", os.read(pipe[0], 4096))


def test_a_text_line_that_is_not_information_says_so(pipe: tuple[int, int]) -> None:
    Log(LogSettings(), pipe[1]).event("worker-died", "worker 1 was killed", level="error")

    assert os.read(pipe[0], 4096).endswith(b" supervisor  error: worker 1 was killed\n")


def test_colours_appear_only_when_asked_for(pipe: tuple[int, int]) -> None:
    Log(LogSettings(color=True), pipe[1]).event("worker-died", "gone", level="error")

    assert b"\x1b[31mgone\x1b[0m" in os.read(pipe[0], 4096)


def test_one_event_is_one_line_whatever_its_message_holds(pipe: tuple[int, int]) -> None:
    Log(LogSettings(), pipe[1]).event("reload-failed", "first\nsecond")

    assert os.read(pipe[0], 4096).count(b"\n") == 1


def test_a_log_that_nobody_reads_does_not_stop_the_service() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    Log(LogSettings(), writing).event("reloaded", "reloaded")

    os.close(writing)
