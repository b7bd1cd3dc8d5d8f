"""What a program gets that loads an app: a component with all that the manifest links it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import wisp.sync
from tests.seam.test_compose import NUMBER, files, provider, relay, wit
from wisp.errors import BuildError, ManifestError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["provider", "relay", "wit"]  # fixtures

APP = """
app.name = "numbers"

[component.relay]
source = "relay.wasm"
link."{number}" = {{ component = "provider", mode = "{mode}" }}

[component.provider]
source = "provider.wasm"
"""


@pytest.fixture
def folder(tmp_path: Path, relay: bytes, provider: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    files(tmp_path, relay=relay, provider=provider, other=provider)
    return tmp_path


def write(folder: Path, mode: str = "auto", more: str = "") -> Path:
    (folder / "wisp.toml").write_text(APP.format(number=NUMBER, mode=mode) + more, encoding="utf-8")
    return folder


def number(folder: Path, component: str | None = None) -> object:
    with wisp.sync.Host() as host, host.load(folder, component=component).instantiate() as instance:
        return instance[NUMBER].get()


def test_the_component_that_no_other_is_linked_to_is_loaded_with_what_answers_it(folder: Path) -> None:
    assert number(write(folder)) == 7


def test_one_that_others_are_linked_to_is_loaded_by_its_name(folder: Path) -> None:
    chain = f'[component.front]\nsource = "relay.wasm"\nlink."{NUMBER}" = "relay"\n'

    assert number(write(folder, more=chain), "relay") == 7


def test_where_several_could_be_meant_one_has_to_say_which(folder: Path) -> None:
    write(folder, more='[component.other]\nsource = "other.wasm"\n')

    with pytest.raises(ManifestError, match="has the components relay, provider, other") as caught:
        number(folder)

    assert caught.value.hint == "say which: load(..., component='relay')"
    assert number(folder, "other") == 7


def test_a_name_that_is_not_in_the_manifest_is_told_with_those_that_are(folder: Path) -> None:
    with pytest.raises(BuildError, match=r"no component nobody\n *hint: it has relay, provider"):
        number(write(folder), "nobody")


def test_what_only_a_host_of_both_could_carry_is_refused(folder: Path) -> None:
    with pytest.raises(BuildError, match=r"relay cannot be written as one component: its link .* is bridged"):
        number(write(folder, mode="bridged"))
