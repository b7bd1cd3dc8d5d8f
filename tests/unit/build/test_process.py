from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from wisp.build import process
from wisp.errors import ToolchainError

PYTHON = Path(sys.executable)


def test_output_is_captured_and_exit_codes_are_told(tmp_path: Path) -> None:
    script = "import os, sys; print(os.getcwd()); print('err', file=sys.stderr); sys.exit(3)"

    output = process.run([str(PYTHON), "-c", script], folder=tmp_path)

    assert output.code == 3
    assert output.stdout == f"{tmp_path}\n"
    assert output.text == f"{tmp_path}\nerr"


def test_a_tool_has_no_input(tmp_path: Path) -> None:
    output = process.run([str(PYTHON), "-c", "print(repr(input()))"], folder=tmp_path)

    assert "EOFError" in output.stderr


def test_a_tool_can_be_interrupted_from_another_thread(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    script = "import signal, sys; open(sys.argv[1], 'w').close(); signal.pause()"

    with ThreadPoolExecutor() as threads:
        running = threads.submit(process.run, [str(PYTHON), "-c", script, str(started)], folder=tmp_path)
        started.read_bytes()
        while wait([running], timeout=0.1).not_done:
            process.interrupt()

    assert running.result().code == -signal.SIGTERM


def test_a_program_that_is_not_there_is_a_toolchain_error(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="cannot be started") as caught:
        process.run(["no-such-program-anywhere"], folder=tmp_path)

    assert caught.value.tool == "no-such-program-anywhere"


ABSENT = """
import os, sys
with open("asked", "a") as file:
    print(os.environ.get("UV_OFFLINE", "0"), file=file)
if "UV_OFFLINE" in os.environ:
    sys.exit("hint: Packages were unavailable because the network was disabled.")
"""


@pytest.mark.parametrize(
    ("script", "code", "asked"),
    [(ABSENT, 0, ["1", "0"]), (ABSENT.replace("network", "compiler"), 1, ["1"])],
    ids=["is fetched when it is not here", "is not run again when it fails"],
)
def test_a_pinned_tool(script: str, code: int, asked: list[str], tmp_path: Path) -> None:
    environment = process.tool_environment()

    output = process.run_fetched([str(PYTHON), "-c", script], folder=tmp_path, environment=environment)

    assert output.code == code
    assert (tmp_path / "asked").read_text(encoding="utf-8").split() == asked


def test_the_caller_s_python_does_not_reach_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")

    environment = process.tool_environment(MORE="1")

    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(environment)
    assert environment["MORE"] == "1"
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_program_says_its_version() -> None:
    found = process.version(PYTHON)

    assert found is not None
    assert found.startswith("Python 3.")
    assert process.version(Path("/no/such/program")) is None
    assert process.version(PYTHON, "-c", "raise SystemExit(1)") is None


def test_a_program_s_identity_changes_with_it(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("1", encoding="utf-8")
    first = process.identity(program)
    process.identity.cache_clear()
    program.write_text("22", encoding="utf-8")

    assert process.identity(program) != first
    assert process.identity(tmp_path / "absent").endswith("absent")
