"""`wisp wit` and `wisp inspect`, as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.seam import wasm
from tests.seam.wit.samples import NEW, OLD, write
from tests.unit.manifest.test_lock import no_file_longer_than
from wisp import native
from wisp.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def component(tmp_path: Path) -> Path:
    write(tmp_path / "wit", wasm.ADD_WIT)
    file = tmp_path / "add.wasm"
    file.write_bytes(native.encode(wasm.ADD, wit=tmp_path / "wit", world="calculator"))
    return file


def test_show_prints_a_package_in_one_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "wit", OLD)

    assert main.main(["wit", "show", "wit"]) == 0

    assert capsys.readouterr().out == (
        "package cyber:packets@0.1.0;\n\n"
        "/// What is done with packets.\n"
        "interface data-processor {\n"
        "  /// One packet.\n"
        "  record packet {\n    id: string,\n    payload: string,\n  }\n\n"
        "  process: func(input: packet) -> string;\n"
        "}\n\n"
        "world processor {\n  export data-processor;\n}\n"
    )


@pytest.mark.usefixtures("component")
def test_show_prints_what_a_component_exports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["wit", "show", "add.wasm"]) == 0
    assert "export add: func(a: u32, b: u32) -> u32;" in capsys.readouterr().out

    assert main.main(["wit", "show", "add.wasm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worlds"][0]["exports"]["add"]["function"]["name"] == "add"


def test_a_mistake_in_wit_is_one_message_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "wit", "package a:b;\ninterface c {\n  f: func(x: nothing);\n}\n")

    assert main.main(["wit", "show", "wit"]) == 1

    assert capsys.readouterr().err == "error: name `nothing` does not exist\n  at wit/world.wit:3:14\n"


@pytest.mark.usefixtures("component")
def test_check_says_that_a_component_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["wit", "check", "add.wasm", "wit"]) == 0
    assert capsys.readouterr().out == "add.wasm fits world calculator of test:add\n"


@pytest.mark.usefixtures("component")
def test_check_says_what_keeps_a_component_from_fitting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = "world calculator { export add: func(a: u32, b: u64) -> u32; export sub: func(); }"
    write(tmp_path / "other", f"package test:add;\n{world}\n")

    assert main.main(["wit", "check", "add.wasm", "other"]) == 1

    assert capsys.readouterr().err == (
        "error: add.wasm does not fit world calculator of test:add\n"
        "  export add: parameter `b` is `u64` in world calculator, `u32` in add.wasm\n"
        "  export sub: is in world calculator only\n"
        "  hint: build it against this world, or change the world\n"
    )


@pytest.mark.usefixtures("component")
def test_check_names_the_worlds_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["wit", "check", "add.wasm", "wit", "--world", "calc"]) == 1

    assert (
        "there is no world `calc` in test:add\n  at wit\n  hint: its worlds: calculator"
        in capsys.readouterr().err
    )


def test_diff_of_a_change_that_is_too_much_for_its_version_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "old", OLD)
    write(
        tmp_path / "new", OLD.replace("payload: string", "payload: string, ttl: u8").replace("0.1.0", "0.1.1")
    )

    assert main.main(["wit", "diff", "old", "new", "--try"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "cyber:packets/data-processor: record packet: field `ttl: u8` added: breaks importers and exporters",
        "0.1.0 -> 0.1.1: breaks components within 0.1.x, next is 0.2.0",
        "0.1.0 and 0.1.1 are on one track, but what imports 0.1.0 does not link to what exports 0.1.1",
    ]
    assert lines[3].startswith("tried: importer of old, exporter of new: does not: ")
    assert lines[4].startswith("tried: importer of new, exporter of old: does not: ")


def test_diff_of_a_new_version_that_says_so_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "old", OLD)
    write(tmp_path / "new", NEW)

    assert main.main(["wit", "diff", "old", "new", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["asks_for"], found["breaking"], found["links"], len(found["changes"])) == (
        "0.2.0",
        True,
        False,
        5,
    )


def test_diff_says_that_versions_of_one_track_link_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "old", OLD)
    write(tmp_path / "new", OLD.replace("0.1.0", "0.1.1").replace("process:", "stop: func(); process:"))

    assert main.main(["wit", "diff", "old", "new", "--try"]) == 0

    assert capsys.readouterr().out.splitlines()[:4] == [
        "cyber:packets/data-processor: function stop: added: breaks exporters",
        "0.1.0 -> 0.1.1: adds to it, 0.1.1 or later was asked for",
        "0.1.0 and 0.1.1 are on one track: what imports 0.1.0 links to what exports 0.1.1, as it is",
        "tried: importer of old, exporter of new: works",
    ]


def test_a_component_and_a_package_cannot_be_compared(
    component: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for files in ([component.name, "wit"], ["wit", component.name]):
        assert main.main(["wit", "diff", *files]) == 1

        assert capsys.readouterr().err == (
            "error: add.wasm is a component, and wit is a package\n  hint: two components can be compared, or two"
            " packages; `wisp wit check` checks a component against a world\n"
        )


def test_a_file_that_needs_what_lies_beside_it_is_to_be_read_with_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "package a:b;\ninterface c {\n  use d:e/f.{t};\n}\n"
    write(tmp_path / "wit", text, dependencies={"e": "package d:e;\ninterface f { type t = u8; }\n"})

    assert main.main(["wit", "show", "wit"]) == 0
    assert main.main(["wit", "show", "wit/world.wit"]) == 1

    assert "hint: a file is read without the folder `deps` beside it; name the folder wit\n" in (
        capsys.readouterr().err
    )


def test_two_components_are_compared_and_tried_by_their_worlds(
    component: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.wasm").write_bytes(wasm.COMPONENT)

    assert main.main(["wit", "diff", component.name, "empty.wasm", "--try"]) == 0

    assert capsys.readouterr().out.splitlines()[:2] == [
        "world root: export add: removed: breaks hosts",
        "tried: component of old, host of new: works",
    ]


def test_a_wrong_option_of_a_command_below_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["wit", "diff", "old", "new", "--jsn"])

    assert caught.value.code == 2
    assert "did you mean `--json`?" in capsys.readouterr().err


@pytest.mark.usefixtures("component")
def test_inspect_shows_a_component_as_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", "add.wasm"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("add.wasm  component, ")
    assert lines[1:5] == [
        "├── exports",
        "│   └── add",
        "│       └── func(a: u32, b: u32) -> u32",
        "├── imports",
    ]
    assert lines[-1] == "    └── core instances: 1, memories: 0, tables: 0"


@pytest.mark.usefixtures("component")
def test_inspect_gives_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", "add.wasm", "--json"]) == 0

    [part] = json.loads(capsys.readouterr().out)
    assert (part["kind"], part["profile"], part["imports"]) == ("component", "sync", {})
    assert part["exports"] == {"add": {"items": ["func(a: u32, b: u32) -> u32"]}}


@pytest.mark.usefixtures("component")
def test_inspect_prints_the_wit_and_draws_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", "add.wasm", "--wit"]) == 0
    assert "world root {" in capsys.readouterr().out

    assert main.main(["inspect", "add.wasm", "--graph", "svg"]) == 0
    picture = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    assert "add.wasm" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.usefixtures("component")
def test_inspect_shows_each_component_of_an_app_with_its_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "wisp.toml").write_text(
        '[app]\nname = "sums"\n\n[[http]]\nroute = "/add"\ncomponent = "add"\n\n[component.add]\nsource = "add.wasm"\n'
    )

    assert main.main(["inspect"]) == 0
    assert capsys.readouterr().out.splitlines()[1:4] == ["├── routes", "│   └── /add", "├── exports"]

    assert main.main(["inspect", "--graph", "svg"]) == 0
    picture = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    words = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert words[:3] == ["HTTP", "/add", "add"]


def test_inspect_refuses_what_is_no_webassembly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.wasm").write_text("hello")

    assert main.main(["inspect", "notes.wasm"]) == 1

    assert "notes.wasm is not a WebAssembly file" in capsys.readouterr().err


@pytest.mark.usefixtures("component")
@pytest.mark.parametrize("command", [["wit", "stubs", "add.wasm", "-o"], ["schema", "-o"]])
def test_a_command_that_cannot_write_its_file_whole_leaves_the_one_that_is_there(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    target.write_text("before")

    with no_file_longer_than(100):
        code = main.main([*command, "target"])

    assert code == 1
    assert capsys.readouterr().err == "error: cannot write target: File too large\n"
    assert target.read_text() == "before"
    assert not list(tmp_path.glob(".target.*"))
