"""The types of a world for TypeScript, as QuickJS has its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.wit import read, typescript

if TYPE_CHECKING:
    from pathlib import Path


DECLARED = """\
// Types of the world `w`, written by `wisp wit init`; do not edit.

declare module "a:b/log@1.0.0" {
  export type Level = "info" | "very-bad";
  /** Writes a line. */
  export function write(level: Level, text: string): number;
}

declare module "a:b/data-processor@1.0.0" {
  export type Level = import("a:b/log@1.0.0").Level;
  export interface Packet {
    id: string;
    theLevel: Level;
  }
  /** What the component exports as `dataProcessor`. */
  export interface DataProcessor {
    process(input: Packet): Packet | null;
  }
}

declare module "a:b/w" {
  /** The functions that the component exports by themselves. */
  export interface W {
    run(function_: Uint8Array): void;
  }
}
"""


def written(folder: Path, body: str) -> str:
    path = folder / "world.wit"
    path.write_text(f"package a:b@1.0.0;\n{body}", encoding="utf-8")
    wit = read.read(path)
    [world] = wit.worlds.values()
    return typescript.write(wit, world)


def test_an_import_has_functions_and_an_export_the_type_of_an_object(tmp_path: Path) -> None:
    text = written(
        tmp_path,
        """
        interface log {
          enum level { info, very-bad }
          /// Writes a line.
          write: func(level: level, text: string) -> result<u32, string>;
        }
        interface data-processor {
          use log.{level};
          record packet { id: string, the-level: level }
          process: func(input: packet) -> option<packet>;
        }
        world w { import log; export data-processor; export run: func(%function: list<u8>); }
        """,
    )

    assert text == DECLARED


@pytest.mark.parametrize(
    ("wit", "expected"),
    [
        ("u64", "number"),
        ("char", "string"),
        ("list<u8>", "Uint8Array"),
        ("list<string>", "Array<string>"),
        ("tuple<bool, f32>", "[boolean, number]"),
        ("option<s8>", "number | null"),
        ("option<option<s8>>", '{ tag: "some"; val: number | null } | { tag: "none" }'),
        ("list<result<u8, string>>", 'Array<{ tag: "ok"; val: number } | { tag: "err"; val: string }>'),
        ("list<result>", 'Array<{ tag: "ok" } | { tag: "err" }>'),
        ("result<_, string>", "void"),
        ("stream<u8>", "AsyncIterable<Uint8Array>"),
        ("stream<u16>", "AsyncIterable<number>"),
    ],
)
def test_a_result_has_the_type_that_quickjs_gives_it(wit: str, expected: str, tmp_path: Path) -> None:
    text = written(tmp_path, f"world w {{ export f: func() -> {wit}; }}")

    assert f"    f(): {expected};\n" in text


def test_an_imported_resource_is_a_class_and_an_exported_one_has_a_constructor(tmp_path: Path) -> None:
    resource = "resource item { constructor(n: u32); get: func() -> u32; make: static func() -> item; }"
    text = written(
        tmp_path,
        f"interface given {{ {resource} }} interface made {{ {resource} }} world w {{ import given; export made; }}",
    )

    assert (
        "  export class Item {\n    constructor(n: number);\n    get(): number;\n    static make(): Item;\n"
        in text
    )
    assert "    Item: { new (n: number): Item; make(): Item; };\n" in text
