"""Completion scripts: each shell that is here reads its own, and bash completes by it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from wisp.cli import completion, main

if TYPE_CHECKING:
    from pathlib import Path


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main.main(["completion", shell]) == 0
    return capsys.readouterr().out


def complete(words: list[str], source: str, folder: Path) -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    commands = (
        f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _wisp; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    finished = subprocess.run(
        ["bash", "-c", f"{source}\n{commands}"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert finished.stderr == ""
    return [word for word in finished.stdout.splitlines() if word]


@pytest.mark.parametrize("shell", sorted(completion.SHELLS))
def test_the_script_is_valid_where_the_shell_is_installed(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shutil.which(shell)
    text = script(shell, capsys)
    if program is None:
        pytest.skip(f"{shell} is not installed")

    finished = subprocess.run([program, "-n"], input=text, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("shell", sorted(completion.SHELLS))
def test_the_script_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)

    assert all(command.name in text for command in main.COMMANDS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["wisp", "b"], ["build"]),
        (["wisp", "--v"], ["--version"]),
        (["wisp", "new", "--te"], ["--template"]),
        (["wisp", "new", "--template", "http-py"], ["http-python"]),
        (["wisp", "completion", "z"], ["zsh"]),
        (["wisp", "up", "--wat"], ["--watch"]),
        (["wisp", "run", "he"], ["hello.wasm"]),
        (["wisp", "wit", "sh"], ["show"]),
        (["wisp", "wit", "show", "he"], ["hello.wasm"]),
        (["wisp", "wit", "diff", "--tr"], ["--try"]),
    ],
)
def test_bash_completes(
    words: list[str], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hello.wasm").touch()

    assert complete(words, script("bash", capsys), tmp_path) == expected


def test_an_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(["completion", "tcsh"])

    assert exit_.value.code == 2
    assert "tcsh" in capsys.readouterr().err
