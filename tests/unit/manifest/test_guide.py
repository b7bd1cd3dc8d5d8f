"""The tables of grants that the guide shows are tables that a manifest may have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wisp.manifest.grants import Grants
from wisp.manifest.load import loads

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "grants.md"
BLOCKS = [
    block
    for block in re.findall(
        r"^```toml\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if "[component.api" in block
]
HEAD = 'app.name = "shop"\n'


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[1][:30])
def test_a_table_of_the_guide_is_valid(block: str, tmp_path: Path) -> None:
    for folder in ("assets", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ca.pem").touch()
    source = "" if "[component.api]" in block else '[component.api]\nsource = "."\n'

    manifest = loads(HEAD + source + block, path=tmp_path / "wisp.toml")

    assert manifest.component["api"].grants != Grants()


def test_the_guide_shows_every_grant() -> None:
    text = "\n".join(BLOCKS)

    assert [kind for kind in Grants.model_fields if not re.search(rf"^{kind} = ", text, re.MULTILINE)] == []
