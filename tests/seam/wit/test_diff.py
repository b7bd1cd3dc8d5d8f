"""What differs between two versions is said with its place, whom it breaks, and the version it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.seam.wit.samples import NEW, OLD, write
from wisp.wit import diff, read

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.wit.diff import Difference


def difference(folder: Path, old: str, new: str) -> Difference:
    return diff.compare(read.read(write(folder / "old", old)), read.read(write(folder / "new", new)))


def versions(folder: Path, old: str, new: str, *, first: str = "0.2.0", second: str = "0.2.1") -> Difference:
    head = "package a:b@{};\n"
    return difference(folder, head.format(first) + old, head.format(second) + new)


def test_the_articles_interface_breaks_both_sides_and_asks_for_the_next_minor_version(tmp_path: Path) -> None:
    found = difference(tmp_path, OLD, NEW)

    assert [str(change) for change in found.changes] == [
        "cyber:packets/data-processor: record packet: field `encryption-level: u32` added: breaks importers and exporters",
        "cyber:packets/data-processor: enum status: added: breaks exporters",
        "cyber:packets/data-processor: record processed-packet: added: breaks exporters",
        "cyber:packets/data-processor: variant process-error: added: breaks exporters",
        "cyber:packets/data-processor: function process: the result is `result<processed-packet, process-error>`, was"
        " `string`: breaks importers and exporters",
    ]
    assert (found.asks_for, found.enough, found.same_track, found.links) == ("0.2.0", True, False, False)


def test_a_field_that_is_added_within_a_track_is_too_much_for_its_version(tmp_path: Path) -> None:
    record = "interface c {{ record packet {{ id: string{} }} f: func(it: packet); }}\n"

    found = versions(tmp_path, record.format(""), record.format(", ttl: u8"))

    [change] = found.changes
    assert (change.subject, change.text, change.breaks) == (
        "record packet",
        "field `ttl: u8` added",
        ("importers", "exporters"),
    )
    assert (found.asks_for, found.enough, found.links) == ("0.3.0", False, False)


def test_a_function_that_is_added_breaks_exporters_only_and_links_as_it_is(tmp_path: Path) -> None:
    found = versions(tmp_path, "interface c { f: func(); }", "interface c { f: func(); g: func(); }")

    [change] = found.changes
    assert (change.subject, change.text, change.breaks) == ("function g", "added", ("exporters",))
    assert (found.asks_for, found.enough, found.links, found.breaking) == ("0.2.1", True, True, False)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("f: func(a: u8);", "f: func(b: u8);", "parameter `b: u8` stands where `a: u8` was"),
        ("f: func(a: u8);", "f: func(a: u16);", "parameter `a` is `u16`, was `u8`"),
        ("f: func(a: u8);", "f: func();", "parameter `a: u8` removed"),
        ("f: func();", "f: func() -> u8;", "the result is `u8`, was `nothing`"),
        ("f: func();", "f: async func();", "is asynchronous, was synchronous"),
        ("type t = u8; f: func() -> t;", "type t = string; f: func() -> t;", "is `string`, was `u8`"),
        (
            "enum t { a, b } f: func() -> t;",
            "enum t { b, a } f: func() -> t;",
            "the cases stand in another order",
        ),
        ("flags t { a } f: func() -> t;", "flags t { a, b } f: func() -> t;", "flag `b` added"),
        (
            "variant t { a(u8) } f: func() -> t;",
            "variant t { a } f: func() -> t;",
            "case `a` is without a type, was `u8`",
        ),
        ("record t { a: u8 } f: func() -> t;", "enum t { a } f: func() -> t;", "is an enum, was a record"),
        ("resource t { m: func(); }", "resource t { m: func() -> u8; }", "the result is `u8`, was `nothing`"),
    ],
)
def test_each_kind_of_change_is_said_in_words(old: str, new: str, said: str, tmp_path: Path) -> None:
    found = versions(tmp_path, f"interface c {{ {old} }}", f"interface c {{ {new} }}")

    assert [change.text for change in found.changes] == [said]
    assert found.changes[0].breaks == ("importers", "exporters")


def test_a_type_that_no_function_uses_breaks_sources_and_no_component(tmp_path: Path) -> None:
    found = versions(tmp_path, "interface c { type t = u8; f: func(); }", "interface c { f: func(); }")

    [change] = found.changes
    assert (change.text, change.breaks) == ("removed", ("sources",))
    assert (found.breaking, found.enough, found.links) == (True, False, True)


def test_a_world_that_imports_more_breaks_hosts_and_one_that_exports_more_breaks_components(
    tmp_path: Path,
) -> None:
    interfaces = "interface c { f: func(); } interface d { g: func(); }\n"

    more = versions(
        tmp_path / "a", interfaces + "world w { import c; }", interfaces + "world w { import c; import d; }"
    )
    given = versions(
        tmp_path / "b", interfaces + "world w { import c; }", interfaces + "world w { import c; export d; }"
    )

    assert [(change.subject, change.breaks) for change in more.changes] == [("import a:b/d", ("hosts",))]
    assert [(change.subject, change.breaks) for change in given.changes] == [
        ("export a:b/d", ("components",))
    ]


@pytest.mark.parametrize(
    ("first", "second", "track"),
    [
        ("0.2.0", "0.2.9", True),
        ("0.2.0", "0.3.0", False),
        ("1.0.0", "1.9.0", True),
        ("0.0.1", "0.0.2", False),
    ],
)
def test_versions_of_one_track_link_when_nothing_changed(
    first: str, second: str, track: bool, tmp_path: Path
) -> None:
    found = versions(
        tmp_path, "interface c { f: func(); }", "interface c { f: func(); }", first=first, second=second
    )

    assert found.changes == ()
    assert (found.same_track, found.links, found.enough) == (track, track, True)


def test_single_interfaces_are_compared_with_the_types_that_they_use(tmp_path: Path) -> None:
    text = (
        "package a:b@{};\ninterface types {{ record packet {{ id: {} }} }}\n"
        "interface c {{ use types.{{packet}}; f: func(it: packet); }} interface d {{ g: func() -> {}; }}\n"
    )
    old = read.read(write(tmp_path / "old", text.format("0.1.0", "string", "u8")))
    new = read.read(write(tmp_path / "new", text.format("0.1.1", "u64", "u16")))

    changes = diff.compare_interfaces(old, new, [("a:b/c@0.1.0", "a:b/c@0.1.1")])

    assert [str(change) for change in changes] == [
        "a:b/types: record packet: field `id` is `u64`, was `string`: breaks importers and exporters"
    ]


def test_a_type_that_comes_from_an_export_instead_of_an_import_is_another_one(tmp_path: Path) -> None:
    text = (
        "package a:b@{};\ninterface types {{ resource r; record s {{ {} }} }}\n"
        "interface api {{ use types.{{r, s}}; f: func(it: r) -> s; }}\nworld w {{ {} }}\n"
    )
    old = read.read(write(tmp_path / "old", text.format("0.1.0", "a: u8", "export api;")))
    new = read.read(write(tmp_path / "new", text.format("0.1.1", "a: u16", "export types; export api;")))

    found = diff.compare(old, new)
    said = [str(change) for change in diff.misfits(replace(old, world=old.worlds["w"]), new, "w")]

    assert [str(change) for change in found.consequences] == [
        "world w: export a:b/api: changed: breaks components and hosts"
    ]
    assert said == [
        "world w: import a:b/types@0.1: removed: breaks components",
        "world w: export a:b/api@0.1: type r: is the exported resource r of a:b/types@0.1, was the imported one:"
        " breaks hosts and components",
        "world w: export a:b/api@0.1: type s: record s of a:b/types@0.1: field `a` is `u16`, was `u8`: breaks hosts"
        " and components",
        "world w: export a:b/types@0.1: added: breaks components",
    ]
