"""Sizes, durations, colours and progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from wisp.cli import output


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (18_770_000, "17.9 MiB"), (2**50, "1024.0 TiB")],
)
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0123, "12 ms"), (3.44, "3.4 s"), (125.2, "2 min 5 s")])
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert output.paint("x", "red", stream=Terminal()) == "\x1b[31mx\x1b[0m"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    assert output.paint("x", "red", stream=Terminal()) == "x"


def test_a_file_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert output.paint("x", "red", stream=io.StringIO()) == "x"


def test_columns_are_aligned() -> None:
    assert output.columns([("a", "bbb", "c"), ("aaa", "b", "a longer text")]) == [
        "  a    bbb  c",
        "  aaa  b    a longer text",
    ]


def test_a_path_below_the_current_folder_is_shown_relative() -> None:
    assert output.short(Path.cwd() / "a" / "b") == "a/b"
    assert output.short(Path("/elsewhere/b")) == "/elsewhere/b"


def test_progress_in_a_file_is_one_line_each() -> None:
    stream = io.StringIO()
    progress = output.Progress(stream)

    progress.report("one")
    progress.report("two")
    progress.close()

    assert stream.getvalue() == "one\ntwo\n"


def test_progress_on_a_terminal_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = output.Progress(stream)

    progress.report("passing")
    progress.say("stays")

    assert stream.getvalue() == "\r\x1b[2Kpassing\r\x1b[2Kstays\n"


def test_quiet_progress_says_only_what_stays() -> None:
    stream = io.StringIO()
    progress = output.Progress(stream, quiet=True)

    progress.report("passing")
    progress.say("stays")

    assert stream.getvalue() == "stays\n"
