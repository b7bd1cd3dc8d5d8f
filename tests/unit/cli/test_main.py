"""The frame of the command line: commands, help, versions, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

import wisp
from wisp.cli import main


def test_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["--version"])

    assert code == 0
    assert capsys.readouterr().out == f"wisp {wisp.__version__}\n"


def test_the_package_can_be_run_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wisp", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"wisp {wisp.__version__}\n"


def test_no_argument_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main([])

    assert code == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command.name} " in shown for command in main.COMMANDS)


def test_an_unknown_command_names_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["bild"])

    assert code == 2
    assert (
        capsys.readouterr().err == "error: there is no command `bild`\n  hint: did you mean `wisp build`?\n"
    )


def test_an_unknown_option_names_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(["new", "hello", "--tmplate=http-go"])

    assert exit_.value.code == 2
    assert "unexpected `--tmplate`, did you mean `--template`?" in capsys.readouterr().err


@pytest.mark.parametrize("name", [command.name for command in main.COMMANDS])
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main([name, "--help"])

    shown = capsys.readouterr().out
    assert exit_.value.code == 0
    assert shown.startswith(f"usage: wisp {name}")
    assert f"  wisp {name}" in shown.partition("examples:")[2]


@pytest.mark.parametrize("name", [command.name for command in main.COMMANDS])
def test_help_of_a_command_is_the_same_either_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main([name, "--help"])
    first = capsys.readouterr().out

    assert main.main(["help", name]) == 0
    assert capsys.readouterr().out == first


def test_every_option_of_every_command_is_explained() -> None:
    for command in main.COMMANDS:
        for action in main.parser_for(command.name)._actions:
            assert action.help, f"wisp {command.name}: {action.dest}"


def test_examples_name_only_options_that_exist() -> None:
    for command in main.COMMANDS:
        known = main.parser_for(command.name).format_help()
        for line, _ in command.examples:
            for word in line.split():
                if word.startswith("--") and word != "--verbose":
                    assert word in known or command.name == "cache", f"{line}: {word}"


def test_help_into_a_closed_pipe_is_no_error() -> None:
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    assert reader.stdin is not None

    finished = subprocess.run(
        [sys.executable, "-m", "wisp.cli.main", "--help"],
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        check=False,
    )
    reader.stdin.close()

    assert finished.stderr == b""


def test_version_imports_nothing_that_is_slow() -> None:
    script = "import sys; from wisp.cli import main; main.main(['--version']); print(*sorted(sys.modules))"

    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    loaded = set(finished.stdout.split())
    assert not loaded & {"argparse", "asyncio", "pydantic", "rich", "httpx", "tomlkit", "wisp._core"}


def test_the_end_of_a_command_searches_for_no_garbage() -> None:
    program = "import gc, sys; from wisp.cli import main; main.main(); print(gc.get_freeze_count() > 0)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "True"
