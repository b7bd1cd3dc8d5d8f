"""`wisp run`: programs see what the command line grants them, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import Name, component
from tests.integration.cli.program import WISP, environment, wisp
from tests.seam import wasm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # the first run builds the guests

BOTH: tuple[Name, ...] = ("command2", "preview1")


@pytest.fixture(params=BOTH)
def program(request: pytest.FixtureRequest) -> Path:
    name: Name = request.param
    return component(name)


def test_arguments_reach_the_program_untouched(program: Path) -> None:
    finished = wisp("run", program, "arguments", "--env", "-x", "--", "a b", "")

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "--env|-x|--|a b|\n"


def test_the_program_is_called_by_its_file_name(program: Path) -> None:
    assert wisp("run", program, "name").stdout == f"{program.name}\n"


def test_its_exit_code_is_ours() -> None:
    assert wisp("run", component("preview1"), "exit", "42").returncode == 42


def test_a_component_of_wasi_0_2_ends_well_or_badly(program: Path) -> None:
    # Its world's `exit` takes a result and not a number.
    assert wisp("run", program, "exit", "0").returncode == 0
    assert wisp("run", program, "exit", "1").returncode == 1


def test_standard_streams_are_passed_through(program: Path) -> None:
    echoed = wisp("run", program, "echo", stdin="ein\nzwei\n")
    failed = wisp("run", program, "error", "oh")

    assert echoed.stdout == "ein\nzwei\n"
    assert failed.stderr == "oh\n"


def test_only_granted_variables_are_seen(program: Path) -> None:
    finished = wisp("run", "--env", "A=1", "--env", "B=x=y", program, "environment", UNGRANTED="s")

    assert sorted(finished.stdout.split()) == ["A=1", "B=x=y"]


def test_a_granted_folder_is_seen_under_its_new_name(tmp_path: Path) -> None:
    program = component("preview1")
    (tmp_path / "in").write_text("content", encoding="utf-8")

    read = wisp("run", "--dir", f"{tmp_path}::/data", program, "read", "/data/in")
    written = wisp("run", "--dir", f"{tmp_path}::/data", program, "write", "/data/out", "new")

    assert read.stdout == "content"
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "out").read_text(encoding="utf-8") == "new"


def test_a_read_only_folder_cannot_be_written(tmp_path: Path) -> None:
    program = component("preview1")
    (tmp_path / "in").write_text("content", encoding="utf-8")

    read = wisp("run", "--dir", f"{tmp_path}::/data:ro", program, "read", "/data/in")
    written = wisp("run", "--dir", f"{tmp_path}::/data:ro", program, "write", "/data/out", "new")

    assert read.stdout == "content"
    assert written.returncode == 1
    assert "refused" in written.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_is_seen_that_was_not_granted(tmp_path: Path) -> None:
    program = component("preview1")
    (tmp_path / "in").write_text("content", encoding="utf-8")

    outside = wisp("run", program, "read", str(tmp_path / "in"), folder=tmp_path)
    above = wisp("run", "--dir", f"{tmp_path}::/data", program, "read", "/data/../../etc/passwd")

    assert outside.returncode == 1
    assert above.returncode == 1


def test_a_trap_is_an_error_and_not_a_crash(program: Path) -> None:
    finished = wisp("run", program, "trap")

    assert finished.returncode == 1
    assert finished.stderr.rpartition("error: ")[2]
    assert "Traceback" not in finished.stderr


def test_ctrl_c_ends_it_at_once(program: Path) -> None:
    process = subprocess.Popen(
        [WISP, "run", program, "echo"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # It reads its input to the end, so once the pipe is full, the program is what reads it.
    os.write(process.stdin.fileno(), b"x" * 2**17)

    process.send_signal(signal.SIGINT)

    # A shell shows this as 130.
    assert process.wait(timeout=30) == -signal.SIGINT
    process.stdin.close()
    process.stdout.close()


def test_a_command_of_wasi_0_3_runs() -> None:
    finished = wisp("run", component("command3"), "a", "b")

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "a\nb\n"


def test_a_command_of_wasi_0_3_may_fail() -> None:
    assert wisp("run", component("command3"), "fail").returncode == 1


def test_a_component_that_serves_is_not_run() -> None:
    finished = wisp("run", component("http2"))

    assert finished.returncode == 1
    assert "is not a program" in finished.stderr
    assert "`wisp up" in finished.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a WebAssembly file"),
        (b"#!/bin/sh\n", "not a WebAssembly file"),
        (b"\0asm\1\0\0\0", "is not a program"),
        (b"\0asm\r\0\1\0", "is not a program"),
    ],
)
def test_a_file_that_is_no_program_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "x.wasm"
    file.write_bytes(content)

    finished = wisp("run", file)

    assert finished.returncode == 1
    assert complaint in finished.stderr


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    finished = wisp("run", tmp_path / "none.wasm")

    assert finished.returncode == 1
    assert "No such file" in finished.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--env", "NOVALUE"), "--env takes NAME=VALUE"),
        (("--dir", "."), "--dir takes HOST::GUEST"),
        (("--dir", "/nowhere-at-all::/data"), "is not a folder"),
    ],
)
def test_a_grant_that_cannot_be_read_is_wrong_usage(
    words: tuple[str, str], complaint: str, tmp_path: Path
) -> None:
    finished = wisp("run", *words, tmp_path / "x.wasm")

    assert finished.returncode == 2
    assert complaint in finished.stderr


def test_a_core_module_that_is_a_library_is_told_from_a_program(tmp_path: Path) -> None:
    file = tmp_path / "add.wasm"
    file.write_bytes(wasm.ADD)

    finished = wisp("run", file)

    assert finished.returncode == 1
    assert "is not a program: it is a core module that exports no `_start`" in finished.stderr
    assert "load_module" in finished.stderr


def test_a_folder_is_not_run_but_served(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()

    finished = wisp("run", "app", folder=tmp_path)

    assert finished.returncode == 1
    assert "app is a folder" in finished.stderr
    assert "`wisp up app`" in finished.stderr


@pytest.mark.parametrize(("command", "missing"), [("run", "FILE.wasm"), ("call", "INTERFACE.FUNCTION")])
def test_only_what_is_missing_is_named(command: str, missing: str) -> None:
    finished = wisp(command)

    assert finished.returncode == 2
    assert missing in finished.stderr
    assert "ARGS" not in finished.stderr
