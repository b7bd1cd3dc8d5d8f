"""Lines of a log as text: the same as workers write them themselves."""

from __future__ import annotations

import os
import time

import pytest

from wisp.host.lines import Text, parsed, severity

PLAIN = Text(color=False)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            '{"level":"info","kind":"access","app":"shop","component":"web","request_id":"00ab","method":"GET","path":"/x",'
            '"status":200,"duration_us":1234,"bytes_in":0,"bytes_out":13,"client":"127.0.0.1","protocol":"http/1.1","worker":0}',
            "12:34:56.789 web         GET /x 200 1.23ms 13B 00ab",
        ),
        (
            '{"level":"error","kind":"access","method":"POST","path":"/x","aborted":true,"status":502,"duration_us":0,'
            '"bytes_out":0,"request_id":"00ab"}',
            "12:34:56.789 -          POST /x 502 aborted 0.00ms 0B 00ab",
        ),
        (
            '{"level":"info","kind":"guest","component":"web","stream":"stdout","message":"hello"}',
            "12:34:56.789 web        | hello",
        ),
        (
            '{"level":"error","kind":"guest","component":"web","context":"db","message":"no"}',
            "12:34:56.789 web        error: db: no",
        ),
        (
            '{"level":"warning","kind":"denial","worker":0,"component":"web","import":"wasi:http","message":"may not"}',
            "12:34:56.789 web        denied: may not",
        ),
        (
            '{"level":"error","kind":"worker","worker":3,"message":"broke"}',
            "12:34:56.789 worker 3   error: broke",
        ),
        (
            '{"level":"info","kind":"supervisor","event":"joined","message":"host a has joined"}',
            "12:34:56.789 supervisor  host a has joined",
        ),
        (
            '{"level":"warn","kind":"supervisor","event":"away","message":"one\\ntwo \\u001b[31m"}',
            "12:34:56.789 supervisor  warn: one\\ntwo \\x1b[31m",
        ),
    ],
)
def test_a_line_is_written_for_people(line: str, text: str) -> None:
    found = parsed('{"time":"2026-01-02T12:34:56.789012Z",' + line[1:])

    assert found is not None
    assert PLAIN.write(found) == text


def test_what_is_no_line_is_said_to_be_none() -> None:
    for text in ("", "thread 'main' panicked", "1", '{"message":"x"}', "{"):
        assert parsed(text) is None


def test_levels_are_compared_under_each_of_their_names() -> None:
    order = ("trace", "debug", "info", "warn", "error", "critical")

    assert sorted(order, key=lambda level: severity({"level": level})) == list(order)
    assert severity({"level": "warn"}) == severity({"level": "warning"})
    assert severity({}) == severity({"level": "info"})


def test_colours_are_only_written_where_they_are_wanted() -> None:
    line = {"time": "x", "kind": "guest", "level": "error", "component": "web", "message": "no"}

    assert "\x1b[31merror" in Text(color=True).write(line)
    assert "\x1b" not in PLAIN.write(line)
    assert os.linesep not in PLAIN.write(line)
