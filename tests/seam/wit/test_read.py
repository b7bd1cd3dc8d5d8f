"""WIT is read from folders, files and components, and what is wrong with it is said with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seam import wasm
from tests.seam.wit.samples import GREETER, NEW, write
from wisp import native
from wisp.errors import WitError
from wisp.wit import read
from wisp.wit.model import Compound, Interface, Named, Primitive

if TYPE_CHECKING:
    from pathlib import Path


IMPORTER = b"".join(
    [
        wasm.MODULE,
        wasm.section(1, b"\x01\x60\x01\x7f\x00"),
        wasm.section(2, b"\x01" + wasm.name("test:dep/one@1.0.0") + wasm.name("f") + b"\x00\x00"),
    ]
)
"""A core module that imports `f` of an interface."""


def test_a_package_is_read_with_its_types_and_functions(tmp_path: Path) -> None:
    wit = read.read(write(tmp_path, NEW))

    interface = wit.interfaces["cyber:packets/data-processor@0.2.0"]
    packet = interface.types["packet"]
    process = interface.functions["process"]
    assert str(wit.package.name) == "cyber:packets@0.2.0"
    assert [str(field) for field in packet.members] == [
        "id: string",
        "payload: string",
        "encryption-level: u32",
    ]
    assert packet.docs == "One packet."
    assert str(process) == "process: func(input: packet) -> result<processed-packet, process-error>"
    assert process.parameters[0].type == Named(interface.name, "packet")
    assert list(wit.worlds["processor"].exports) == [interface.name]


def test_a_component_is_read_as_the_world_that_it_has(tmp_path: Path) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT)

    found = read.decode(native.encode(wasm.ADD, wit=wit, world="calculator"))

    assert found.world is not None
    assert str(found.world.exports["add"]) == "add: func(a: u32, b: u32) -> u32"
    assert "export add: func(a: u32, b: u32) -> u32;" in found.package.text


def test_resources_futures_and_inline_interfaces_are_read(tmp_path: Path) -> None:
    text = """\
package test:all;
interface store {
  resource bucket {
    constructor(name: string);
    get: func(key: string) -> option<list<u8>>;
    open: static func(name: string) -> result<bucket>;
    watch: async func() -> stream<tuple<u8, char>>;
  }
  close: func(it: borrow<bucket>);
}
world both { import inside: interface { ping: func() -> future; } export store; }
"""

    wit = read.read(write(tmp_path, text))

    functions = wit.interfaces["test:all/store"].functions.values()
    assert [(it.kind, it.item_name, it.resource, it.is_async) for it in functions] == [
        ("constructor", "constructor", "bucket", False),
        ("method", "get", "bucket", False),
        ("static", "open", "bucket", False),
        ("method", "watch", "bucket", True),
        ("freestanding", "close", None, False),
    ]
    assert str(wit.interfaces["test:all/store"].functions["close"].parameters[0]) == "it: borrow<bucket>"
    inside = wit.worlds["both"].imports["inside"]
    assert isinstance(inside, Interface)
    assert inside.functions["ping"].result == Compound("future", (None,))


def test_aliases_lead_to_what_they_stand_for(tmp_path: Path) -> None:
    text = "package a:b;\ninterface one { type t = u8; }\ninterface two { use one.{t}; type s = t; f: func() -> s; }\n"

    wit = read.read(write(tmp_path, text))

    result = wit.interfaces["a:b/two"].functions["f"].result
    assert result == Named("a:b/two", "s")
    assert wit.resolved(result) == Primitive("u8")


def test_the_text_of_a_package_is_read_as_the_same_package(tmp_path: Path) -> None:
    first = read.read(write(tmp_path / "one", NEW))

    second = read.read(write(tmp_path / "two", first.package.text))

    assert second == first


def test_a_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    folder = write(tmp_path, "package a:b;\ninterface c {\n  f: func(x: nothing);\n}\n")

    with pytest.raises(WitError, match="`nothing` does not exist") as caught:
        read.read(folder)

    assert (caught.value.path, caught.value.line, caught.value.column) == (folder / "world.wit", 3, 14)


def test_a_missing_package_is_told_with_the_way_to_get_it(tmp_path: Path) -> None:
    folder = write(tmp_path, "package a:b;\nworld w {\n  import wasi:io/poll@0.2.6;\n}\n")

    with pytest.raises(WitError, match=r"package .wasi:io@0\.2\.6. not found") as caught:
        read.read(folder)

    assert (caught.value.line, caught.value.hint) == (
        3,
        "`wisp wit add` puts wasi:io@0.2.6 into the folder `deps`",
    )


@pytest.mark.parametrize("content", [wasm.MODULE, b"\0asm\x0d\0\1\0\x99", b"\xff\xfe"])
def test_what_is_neither_wit_nor_a_component_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file.wasm"
    file.write_bytes(content)

    with pytest.raises(WitError) as caught:
        read.read(file)

    assert caught.value.path == file


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WitError, match="there is no file or folder") as caught:
        read.read(tmp_path / "nothing.wit")

    assert caught.value.path == tmp_path / "nothing.wit"


def test_a_component_fits_its_world_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "add.wit"
    file.write_text(wasm.ADD_WIT)
    component = native.encode(wasm.ADD, wit=file, world="calculator")

    native.wit_check(component, file)
    native.wit_check(
        wasm.COMPONENT, write(tmp_path / "two", GREETER.replace("export hello: func() -> string;", ""))
    )
    with pytest.raises(WitError, match="hello"):
        native.wit_check(component, write(tmp_path / "one", GREETER))


def test_a_component_fits_a_world_with_a_later_version_of_the_track_it_was_built_with(tmp_path: Path) -> None:
    component = native.encode(IMPORTER, wit=importing(tmp_path / "built", "1.0.0"))

    native.wit_check(component, importing(tmp_path / "later", "1.4.2"))
    with pytest.raises(WitError, match="test:dep/one"):
        native.wit_check(component, importing(tmp_path / "next", "2.0.0"))


def importing(folder: Path, version: str) -> Path:
    text = f"package a:b;\nworld w {{ import test:dep/one@{version}; }}\n"
    dependency = f"package test:dep@{version};\ninterface one {{ f: func(x: u32); }}\n"
    return write(folder, text, dependencies={"dep": dependency})
