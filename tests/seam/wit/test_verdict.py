"""The verdict of `wisp wit diff` is the verdict of the linker: both versions are built, and linked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.seam.wit.packages import Package, World, pairs, worlds
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


@pytest.mark.timeout(300)  # a hundred components are built
@settings(max_examples=150)
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


@pytest.mark.timeout(300)  # a hundred components are built
@settings(max_examples=150)
@given(pair=pairs(), old_world=worlds(), new_world=worlds(), same=st.booleans())
def test_a_change_breaks_components_or_hosts_exactly_when_the_world_no_longer_fits(
    folder: Path,
    pair: tuple[Package, Package],
    old_world: World,
    new_world: World,
    *,
    same: bool,
) -> None:
    old, new = folder / "old.wit", folder / "new.wit"
    old.write_text(replace(pair[0], world=old_world).text("0.1.0"))
    new.write_text(replace(pair[1], world=old_world if same else new_world).text("0.1.1"))

    assume(is_possible(old) and is_possible(new))
    # Where a resource is imported and exported as well, the encoder may make a component that does not fit its own world.
    assume(not fits(old, old) and not fits(new, new))
    found = diff.compare(read.read(old), read.read(new))
    changes = found.changes + found.consequences

    broken = {side for change in changes for side in change.breaks if change.path == "world w"}
    refusals = {"components": fits(old, new), "hosts": fits(new, old)}
    said = f"{old.read_text()}\n{new.read_text()}\n{changes}\n{refusals}"
    assert ("components" in broken) == bool(refusals["components"]), said
    assert ("hosts" in broken) == bool(refusals["hosts"]), said


def test_a_record_that_an_exported_interface_uses_breaks_hosts_when_its_owner_is_exported_too(
    folder: Path,
) -> None:
    old, new = folder / "old.wit", folder / "new.wit"
    text = "package test:pair@{};\ninterface types {{ record s {{ {} }} }}\ninterface api {{ use types.{{s}}; }}\nworld w {{ {} }}\n"
    old.write_text(text.format("0.1.0", "a: bool, b: bool", "export api;"))
    new.write_text(text.format("0.1.1", "a: bool", "import types; export types; export api;"))

    found = diff.compare(read.read(old), read.read(new))

    assert fits(new, old)
    assert [str(change) for change in found.consequences if "hosts" in change.breaks] == [
        "world w: export test:pair/api: changed: breaks components and hosts"
    ]


def is_possible(path: Path) -> bool:
    """Tell whether its world may be: some would have an interface both as an import and as an export, for one export to use."""
    try:
        read.read(path)
    except WitError as error:
        if "transitively depends on an interface in incompatible ways" not in error.message:
            raise
        return False
    return True


def fits(given: Path, wanted: Path) -> str:
    """Return nothing, or why a component of the one world is not one of the other."""
    try:
        native.wit_try_world(given, wanted, world="w")
    except WitError as error:
        return error.message
    return ""
