"""How errors are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import errors, main
from wisp.errors import ArtifactError, BuildError, ManifestError, ToolchainError, WispError

if TYPE_CHECKING:
    import pytest


def test_an_error_shows_its_message_and_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    code = errors.show(WispError("the port is in use", hint="choose another"))

    assert code == 1
    assert capsys.readouterr().err == "error: the port is in use\n  hint: choose another\n"


def test_an_error_in_the_manifest_shows_the_place() -> None:
    error = ManifestError("unknown key", path=Path.cwd() / "wisp.toml", line=3, column=7, key="app.nmae")

    assert errors.describe(error) == ["error: unknown key", "  at wisp.toml:3:7"]


def test_a_place_that_the_message_has_is_not_repeated() -> None:
    error = ManifestError("wisp.toml:3:7: unknown key", path=Path.cwd() / "wisp.toml", line=3, column=7)

    assert errors.describe(error) == ["error: wisp.toml:3:7: unknown key"]


def test_a_failed_build_shows_what_the_tool_said() -> None:
    error = BuildError(
        "cannot build rust", component="rust", file=Path("src/lib.rs"), line=4, output="error[E0425]\n  x\n"
    )

    assert errors.describe(error) == [
        "error: cannot build rust",
        "  at src/lib.rs:4",
        "  | error[E0425]",
        "  |   x",
    ]


def test_a_missing_tool_says_what_installs_it() -> None:
    error = ToolchainError("cargo is missing", tool="cargo", install="https://rustup.rs")

    assert errors.describe(error)[-1] == "  hint: https://rustup.rs"


def test_a_hint_may_have_lines() -> None:
    error = ArtifactError("disk full", hint="make room:\nwisp cache prune")

    assert errors.describe(error) == ["error: disk full", "  hint: make room:", "        wisp cache prune"]


def test_a_fault_of_ours_is_short_and_says_where_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WISP_DEBUG", raising=False)

    code = errors.show(ZeroDivisionError("division by zero"))

    shown = capsys.readouterr().err
    assert code == errors.FAULT
    assert "a fault in wisp: ZeroDivisionError: division by zero" in shown
    assert "WISP_DEBUG=1" in shown
    assert errors.TRACKER in shown
    assert "Traceback" not in shown


def test_a_fault_of_ours_has_a_traceback_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WISP_DEBUG", "1")

    try:
        raise ZeroDivisionError  # noqa: TRY301 - an error needs to be raised to have a traceback
    except ZeroDivisionError as error:
        errors.show(error)

    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_silently_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "_dispatch", interrupted)

    assert main.main(["up"]) == 130
    assert capsys.readouterr().err == ""


def test_an_error_of_the_machine_is_told_with_its_subject_and_is_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = errors.show(OSError(28, "No space left on device", "/full/app.wasm"))

    assert (code, capsys.readouterr().err) == (1, "error: No space left on device: /full/app.wasm\n")


def test_what_a_message_has_already_is_not_shown_twice() -> None:
    error = BuildError("the app does not build:\nerror: no such thing", output="error: no such thing")

    assert errors.describe(error) == ["error: the app does not build:\nerror: no such thing"]
