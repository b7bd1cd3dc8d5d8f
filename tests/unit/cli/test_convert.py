"""`wisp convert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.cli import main
from wisp.manifest.load import loads

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """spin_manifest_version = 2

[application]
name = "shop"
authors = ["me"]

[variables]
host = { required = true }

[[trigger.http]]
route = "/:userId"
component = "a"

[component.a]
source = "a.wasm"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.wasm").touch()
    (tmp_path / "spin.toml").write_text(MANIFEST, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_beside_the_file_and_lists_what_has_no_equal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["convert"]) == 0

    written = (folder / "wisp.toml").read_text(encoding="utf-8")
    assert loads(written, path=folder / "wisp.toml").http[0].route == "/:userid"
    assert capsys.readouterr().err.splitlines() == [
        "wrote wisp.toml",
        "has no equal:",
        "  spin.toml:5: application.authors: read by tools of Spin only",
        "means something slightly different:",
        "  spin.toml:11: trigger.http[0].route: names of parameters are in lower case here, as in the headers that have them",
    ]


def test_a_file_that_is_there_stays_unless_it_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wisp.toml").write_text("mine", encoding="utf-8")

    assert main.main(["convert"]) == 1
    refused = capsys.readouterr().err
    kept = (folder / "wisp.toml").read_text(encoding="utf-8")
    assert main.main(["convert", "--force"]) == 0

    assert "wisp.toml is there already" in refused
    assert "--force" in refused
    assert kept == "mine"
    assert "[app]" in (folder / "wisp.toml").read_text(encoding="utf-8")


def test_it_prints_when_asked_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["convert", str(folder), "--output", "-"]) == 0

    assert capsys.readouterr().out.startswith("# Converted from spin.toml by `wisp convert`.\n")
    assert not (folder / "wisp.toml").exists()


def test_paths_in_it_lead_where_they_led(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other").mkdir()

    assert main.main(["convert", "--output", "other/wisp.toml"]) == 1

    assert "is in another folder" in capsys.readouterr().err


def test_a_variable_that_decides_what_is_allowed_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'{MANIFEST}allowed_outbound_hosts = ["https://{{{{ host }}}}"]\n'
    (folder / "spin.toml").write_text(text, encoding="utf-8")

    assert main.main(["convert", "-o", "-"]) == 1
    refused = capsys.readouterr().err
    assert main.main(["convert", "-o", "-", "--variable", "host=api.example.com"]) == 0

    assert "set SPIN_VARIABLE_HOST, or use --variable host=..." in refused
    assert 'to = "https://api.example.com"' in capsys.readouterr().out


def test_what_is_no_manifest_of_spin_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.toml").write_text("a = 1", encoding="utf-8")

    assert main.main(["convert", "other.toml"]) == 1

    assert "other.toml is not a manifest of Spin" in capsys.readouterr().err
