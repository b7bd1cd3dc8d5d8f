"""The command line as somebody at a terminal meets it, and as other programs do."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from tests.integration.cli.program import WISP, environment, wisp

QUESTION = "template, by number or name [http-python]: "


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *words: str, folder: Path, **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [WISP, *words],
            cwd=folder,
            env=environment(TERM="xterm", **variables),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does: the signal reaches the program and all that it has started."""
        os.killpg(self._process.pid, signal.SIGINT)

    def until(self, text: str) -> str:
        """Read until this was shown."""
        while text not in self._seen:
            self._read()
        return self._seen

    def ended(self) -> tuple[int, str]:
        """Wait for its end, and return its exit code and all that was shown."""
        while self._read():
            pass
        return self._process.wait(), self._seen

    def _read(self) -> bool:
        try:
            data = os.read(self._ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            data = b""
        self._seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@pytest.mark.parametrize(("answer", "file"), [("", "app.py"), ("1", "service.c"), ("http-go", "main.go")])
def test_wisp_new_asks_for_a_name_and_a_template(answer: str, file: str, tmp_path: Path) -> None:
    with Terminal("new", folder=tmp_path) as terminal:
        terminal.until("name of the app [hello]: ")
        terminal.type("shop")
        shown = terminal.until(QUESTION)
        terminal.type(answer)
        code, _ = terminal.ended()

    assert code == 0
    assert "  1  http-c\n" in shown
    assert (tmp_path / "shop" / file).exists()


def test_wisp_new_asks_again_for_a_template_that_is_not_there(tmp_path: Path) -> None:
    with Terminal("new", folder=tmp_path) as terminal:
        terminal.until("name of the app [hello]: ")
        terminal.type("")
        terminal.until(QUESTION)
        terminal.type("http-cobol")
        shown = terminal.until(f"there is no template http-cobol\n{QUESTION}")
        terminal.type("http-c")
        code, _ = terminal.ended()

    assert code == 0
    assert "Traceback" not in shown


def test_ctrl_c_at_a_question_makes_nothing(tmp_path: Path) -> None:
    with Terminal("new", folder=tmp_path) as terminal:
        terminal.until("name of the app [hello]: ")
        terminal.interrupt()
        code, shown = terminal.ended()

    assert code == 130
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


BUILT_FOR_EVER = """
[app]
name = "shop"

[component.shop]
source = "shop.wasm"
build = { command = "echo $$ > started; exec sleep 600" }
"""


@pytest.mark.parametrize("words", [("build",), ("up", "--listen", "127.0.0.1:0")])
def test_ctrl_c_during_a_build_ends_the_tool_too(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").write_text(BUILT_FOR_EVER, encoding="utf-8")
    os.mkfifo(tmp_path / "started")

    with Terminal(*words, folder=tmp_path) as terminal:
        tool = int((tmp_path / "started").read_text())
        terminal.interrupt()
        code, shown = terminal.ended()

    assert code == 130
    assert "Traceback" not in shown
    with pytest.raises(ProcessLookupError):
        os.kill(tool, 0)


def test_there_are_colours_on_a_terminal_and_none_where_they_are_not_wanted(tmp_path: Path) -> None:
    shown = {}
    for wanted in ("", "1"):
        with Terminal("build", "nowhere", folder=tmp_path, NO_COLOR=wanted) as terminal:
            code, shown[wanted] = terminal.ended()
            assert code == 1

    assert "\x1b[31merror:\x1b[0m there is no file nowhere" in shown[""]
    assert "\x1b" not in shown["1"]


@pytest.mark.parametrize("words", [("schema",), ("up", "--help"), ("completion", "bash")])
def test_a_reader_that_has_seen_enough_is_no_error(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    finished = subprocess.run(
        [WISP, *words], env=environment(), stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)

    assert finished.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("words", [("schema",), ("--help",)])
def test_output_that_cannot_be_written_is_told(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [WISP, *words], env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (finished.returncode, finished.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("descriptor", ["1", "2"])
def test_a_closed_stream_is_no_error(descriptor: str) -> None:
    finished = subprocess.run(
        ["sh", "-c", f'exec "$0" schema {descriptor}>&-', WISP],
        env=environment(),
        capture_output=True,
        check=False,
    )

    assert finished.returncode == 0
    assert finished.stderr == b""


def test_a_path_that_is_not_of_the_encoding_is_printed_as_it_is(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")

    made = subprocess.run(
        [WISP, "new", "hello", "--path", name],
        cwd=tmp_path,
        env=environment(PYTHONIOENCODING="utf-8"),
        capture_output=True,
        check=False,
    )

    assert made.returncode == 0
    assert b"created hello in caf\xe9 (" in made.stdout
    assert (tmp_path / name / "wisp.toml").exists()


def test_a_terminal_of_another_encoding_gets_what_it_can_show() -> None:
    finished = wisp("inspect", "examples/nowhere.wasm", PYTHONIOENCODING="ascii")
    shown = wisp("wit", "show", "wit/ä", PYTHONIOENCODING="ascii")

    assert finished.returncode == shown.returncode == 1
    assert "\\xe4" in shown.stderr


def test_doctor_says_of_a_path_that_is_not_there_that_it_is_not(tmp_path: Path) -> None:
    finished = wisp("doctor", "nowhere", folder=tmp_path)

    assert (finished.returncode, finished.stderr) == (1, "error: there is no file or folder nowhere\n")


@pytest.mark.parametrize("words", [("show", "a"), ("diff", "a", "b"), ("stubs", "a"), ("check", "a", "b")])
def test_wit_names_the_file_that_is_not_there(words: tuple[str, ...], tmp_path: Path) -> None:
    finished = wisp("wit", *words, folder=tmp_path)

    assert finished.returncode == 1
    assert finished.stderr.splitlines()[0] in {
        "error: there is no file or folder a",
        "error: there is no file or folder b",
    }
