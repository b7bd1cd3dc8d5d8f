"""The way of a log to standard output: whole, as it is wanted there, and heard by whoever listens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wisp.host.log import Log
from wisp.host.relay import MOST_KEPT, Relay
from wisp.host.settings import LogSettings

if TYPE_CHECKING:
    from pathlib import Path

JSON = LogSettings("json")


def written(folder: Path, settings: LogSettings, *pieces: bytes) -> bytes:
    path = folder / "log"
    target = os.open(path, os.O_CREAT | os.O_WRONLY)
    relay = Relay(settings, target)
    for piece in pieces:
        os.write(relay.descriptor, piece)
    relay.close()
    os.close(target)
    return path.read_bytes()


def test_lines_for_programs_pass_as_they_are(tmp_path: Path) -> None:
    assert written(tmp_path, JSON, b'{"a":', b"1}\nno JSON\n", b"no end") == b'{"a":1}\nno JSON\nno end\n'


def test_lines_for_people_are_written_as_text(tmp_path: Path) -> None:
    line = b'{"time":"2026-01-02T12:34:56.789Z","kind":"supervisor","level":"info","message":"here"}\n'

    found = written(
        tmp_path, LogSettings("text"), line, b'{"time":"x","kind":"access"}\n', b"panicked\n"
    ).decode()

    first, second, third = found.splitlines()
    assert first.endswith(" supervisor  here")
    assert second == '{"time":"x","kind":"access"}'
    assert third == "panicked"


def test_who_listens_gets_what_was_before_and_then_what_comes(tmp_path: Path) -> None:
    target = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    relay, heard = Relay(JSON, target), list[bytes]()
    Log(relay.settings, relay.descriptor).event("first", "before")
    while not relay.listen(None):
        pass  # the thread is about to read it

    before = relay.listen(heard.append)
    os.write(relay.descriptor, b"second\n")
    relay.close()
    os.close(target)

    assert b'"event":"first"' in before
    assert heard == [b"second\n"]


def test_no_more_than_so_many_lines_are_kept(tmp_path: Path) -> None:
    target = os.open("/dev/null", os.O_WRONLY)
    relay = Relay(JSON, target)
    line = b"x" * 1023 + b"\n"
    for _ in range(3 * MOST_KEPT // len(line)):
        os.write(relay.descriptor, line)
    relay.close()
    os.close(target)

    assert MOST_KEPT // 2 < len(relay.listen(None)) <= MOST_KEPT


def test_a_reader_that_has_gone_stops_nothing() -> None:
    reading, target = os.pipe()
    os.close(reading)
    relay = Relay(JSON, target)
    for _ in range(100):
        os.write(relay.descriptor, b"line\n" * 1000)
    relay.close()
    os.close(target)

    assert relay.listen(None).endswith(b"line\n")
