"""The verdict of `wisp wit diff` is the verdict of the linker: both versions are built, and linked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests.seam.wit.packages import Package, pairs
from wisp import native
from wisp.errors import WitError
from wisp.wit import diff, read

if TYPE_CHECKING:
    from pathlib import Path


def links(exporter: Path, importer: Path) -> str:
    """Return nothing, or why the linker does not want them."""
    try:
        native.wit_try_link(exporter, importer)
    except WitError as error:
        return error.message
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@settings(max_examples=250, deadline=None)
@given(pair=pairs())
def test_a_change_breaks_importers_or_exporters_exactly_when_their_components_do_not_link(
    folder: Path, pair: tuple[Package, Package]
) -> None:
    old, new = folder / "old.wit", folder / "new.wit"
    old.write_text(pair[0].text("0.1.0"))
    new.write_text(pair[1].text("0.1.1"))

    changes = diff.compare(read.read(old), read.read(new)).changes

    broken = {side for change in changes for side in change.breaks}
    refusals = {"importers": links(new, old), "exporters": links(old, new)}
    said = f"{old.read_text()}\n{new.read_text()}\n{changes}\n{refusals}"
    assert ("importers" in broken) == bool(refusals["importers"]), said
    assert ("exporters" in broken) == bool(refusals["exporters"]), said
