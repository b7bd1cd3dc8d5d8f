"""Which grant an interface asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from wisp.manifest import capabilities
from wisp.manifest.grants import Grants

ROOT = Path(__file__).parents[3]
CORE = ROOT / "crates" / "host" / "src" / "compose" / "deny.rs"
OF_SPIN = ROOT / "docs" / "reference" / "capabilities" / "spin.md"


@pytest.mark.parametrize(
    ("interface", "access"),
    [
        ("wasi:http/outgoing-handler@0.2.6", "http"),
        ("wasi:http/client@0.3.0", "http"),
        ("wasi:http/types@0.2.6", "free"),
        ("wasi:cli/environment@0.2.6", "environment"),
        ("wasi:cli/stdout@0.2.6", "free"),
        ("wasi:filesystem/preopens@0.2.6", "files"),
        ("wasi:sockets/tcp@0.2.6", "sockets"),
        ("wasi:keyvalue/atomics@0.2.0-draft2", "keyvalue"),
        ("wisp:keyvalue/extension@0.1.0", "keyvalue"),
        ("fermyon:spin/key-value@2.0.0", "keyvalue"),
        ("spin:sqlite/sqlite@3.1.0", "sqlite"),
        ("fermyon:spin/config", "config"),
        ("wasi:config/store@0.2.0-rc.1", "config"),
        ("fermyon:spin/redis@2.0.0", "absent"),
        ("wasi:logging/logging@0.1.0-draft", "free"),
    ],
)
def test_an_interface_asks_for_one_grant_or_none(interface: str, access: str) -> None:
    assert capabilities.access(interface) == access


def test_the_kinds_are_the_keys_of_the_table_of_grants() -> None:
    assert list(capabilities.KINDS) == list(Grants.model_fields) == list(capabilities.PLACEHOLDERS)


def test_what_is_free_is_what_the_core_leaves_to_every_component() -> None:
    listed = re.search(r"HARMLESS: \[&str; \d+\] = \[(.*?)\];", CORE.read_text(encoding="utf-8"), re.DOTALL)

    assert listed is not None
    for name in re.findall(r'"(.+?)"', listed[1]):
        assert capabilities.access(name) == "free", name


def test_what_guests_of_spin_import_asks_for_the_grant_that_its_page_names() -> None:
    rows = re.findall(
        r"^\| (`(?:fermyon|spin):.*?) \|.*`grants\.(\w+)` \|$", OF_SPIN.read_text("utf-8"), re.MULTILINE
    )

    found = {name: kind for names, kind in rows for name in re.findall(r"`(\S+/\S+)`", names)}
    assert len(found) == 9
    assert {name: capabilities.access(name) for name in found} == found


@pytest.mark.parametrize("line", capabilities.PLACEHOLDERS.values())
def test_a_placeholder_is_toml(line: str) -> None:
    assert len(tomllib.loads(line)) == 1
