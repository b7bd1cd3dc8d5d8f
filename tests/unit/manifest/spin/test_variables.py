"""Where values of variables come from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.host.resolve import Place, resolve
from wisp.host.secrets import secrets
from wisp.manifest.load import SpinOptions, loads
from wisp.manifest.locked import lock_app
from wisp.manifest.spin.variables import dotenv, environment

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
spin_manifest_version = 2
[application]
name = "app"
[variables]
host = { default = "api.example.com" }
token = { required = true, secret = true }
[[trigger.http]]
route = "/..."
component = "a"
[component.a]
source = "a.wasm"
variables = { url = "https://{{ host }}/?{{ token }}", token = "{{token}}", plain = "x" }
allowed_outbound_hosts = ["https://{{ host }}"]
"""


def served(folder: Path, options: SpinOptions) -> tuple[dict[str, str], list[str]]:
    """Return the configuration that a worker would be told, and where requests may go."""
    (folder / "a.wasm").touch()
    manifest = loads(MANIFEST, path=folder / "spin.toml", spin_options=options)
    locked = lock_app(manifest, {"a": "sha256:" + "d" * 64}).to_data()
    assert "hidden" not in str(locked)
    values = asyncio.run(secrets(locked["secrets"], folder, environment(folder, options.variables)))
    app = resolve(locked, Place(folder, folder), values)
    grants = app["components"]["a"]["grants"]  # type: ignore[index]
    return grants["config"], [target["text"] for target in grants["http"]]


def test_what_is_given_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "SPIN_VARIABLE_TOKEN=from-file\nSPIN_VARIABLE_HOST='file.example.com'\n", encoding="utf-8"
    )

    by_file = served(tmp_path, SpinOptions())
    monkeypatch.setenv("SPIN_VARIABLE_TOKEN", "hidden-environment")
    by_environment = served(tmp_path, SpinOptions())
    by_hand = served(tmp_path, SpinOptions({"token": "hidden-hand", "host": "hand.example.com"}))

    assert by_file == (
        {"url": "https://file.example.com/?from-file", "token": "from-file", "plain": "x"},
        ["https://file.example.com"],
    )
    assert "hidden-environment" in by_environment[0].values()
    assert by_hand[0] == {
        "url": "https://hand.example.com/?hidden-hand",
        "token": "hidden-hand",
        "plain": "x",
    }
    assert by_hand[1] == ["https://hand.example.com"]


def test_a_variable_without_a_value_ends_the_start_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPIN_VARIABLE_TOKEN", raising=False)

    with pytest.raises(ManifestError, match="SPIN_VARIABLE_TOKEN is not set"):
        served(tmp_path, SpinOptions())


def test_a_variable_that_is_not_there_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"has no variable `tokn`; did you mean `token`\?"):
        served(tmp_path, SpinOptions({"tokn": "x"}))


def test_the_file_may_be_written_as_shells_have_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# comment\n"
        "export SPIN_VARIABLE_A = plain # and why\n"
        'SPIN_VARIABLE_B="two\\nlines # kept"\n'
        "SPIN_VARIABLE_C='as \\n it is'\n"
        "SPIN_VARIABLE_A=second\n"
        "OTHER=not-for-us\n"
        "no line\n",
        encoding="utf-8",
    )

    assert dotenv(tmp_path) == {
        "SPIN_VARIABLE_A": "plain",
        "SPIN_VARIABLE_B": "two\nlines # kept",
        "SPIN_VARIABLE_C": "as \\n it is",
    }
    assert dotenv(tmp_path / "nowhere") == {}
