"""`wisp new`: copying templates."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from wisp.cli import main, new
from wisp.errors import WispError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("template", new.templates())
def test_each_template_becomes_an_app_with_the_given_name(template: str, tmp_path: Path) -> None:
    files = new.create(new.NewApp("my-service", template, tmp_path / "app"))

    manifest = tomllib.loads((tmp_path / "app" / "wisp.toml").read_text(encoding="utf-8"))
    assert manifest["app"]["name"] == "my-service"
    assert manifest["http"]
    assert all(b"{{name}}" not in file.read_bytes() for file in files)


def test_there_is_a_template_for_each_language() -> None:
    languages = {"c", "go", "javascript", "python", "rust", "typescript"}

    assert {f"http-{language}" for language in languages} <= set(new.templates())


def test_flags_are_enough_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["new", "hello", "--template", "http-python", "--path", str(tmp_path / "x")])

    shown = capsys.readouterr().out
    assert code == 0
    assert (tmp_path / "x" / "wisp.toml").exists()
    assert shown.startswith("created hello in ")
    assert "wisp up" in shown


def test_without_a_terminal_a_missing_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["new"]) == 2
    assert "a name is needed" in capsys.readouterr().err


def test_a_name_that_is_none_is_refused_with_a_proposal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["new", "My Service"]) == 1
    assert '"my-service"' in capsys.readouterr().err


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").write_text("mine", encoding="utf-8")

    with pytest.raises(WispError, match=r"wisp\.toml is there already"):
        new.create(new.NewApp("hello", "http-python", tmp_path))

    assert [entry.name for entry in tmp_path.iterdir()] == ["wisp.toml"]
    assert (tmp_path / "wisp.toml").read_text(encoding="utf-8") == "mine"


def test_a_dangling_link_counts_as_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "wisp.toml").symlink_to(tmp_path / "nowhere")

    with pytest.raises(WispError, match="is there already"):
        new.create(new.NewApp("hello", "http-python", tmp_path))


def test_other_files_in_the_folder_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "NOTES").write_text("mine", encoding="utf-8")

    new.create(new.NewApp("hello", "http-python", tmp_path))

    assert (tmp_path / "wisp.toml").exists()


def test_what_could_not_be_written_whole_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").mkdir()
    (tmp_path / "app.py" / "mine").touch()
    folder = tmp_path / "app.py" / "mine" / "below-a-file"

    with pytest.raises(WispError, match=r"cannot write .*Not a directory"):
        new.create(new.NewApp("hello", "http-python", folder))

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "app.py",
        "app.py/mine",
    ]
