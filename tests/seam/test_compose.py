"""Composing components through the seam and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.seam import wasm
from tests.unit.manifest.test_lock import no_file_longer_than
from wisp import native
from wisp.cli.main import main
from wisp.errors import ComponentError, ManifestError
from wisp.manifest import load
from wisp.registry import compositions
from wisp.registry.cache import Cache
from wisp.wit.agreement import disagreement

WIT = """
package test:parts@0.1.0;
interface number { get: func() -> u32; }

world provider { export number; }


"""


@pytest.fixture(scope="module")
def wit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wit") / "parts.wit"
    path.write_text(WIT, encoding="utf-8")
    return path


def module(export: str, imported: tuple[str, str] | None = None, *, parameters: int = 0) -> bytes:
    """Return a core module that exports one function of i32s to an i32: that gives 7, or what an import gives."""

    def section(kind: int, content: bytes) -> bytes:
        return bytes([kind, len(content)]) + content

    def name(text: str) -> bytes:
        return bytes([len(text)]) + text.encode()

    imports = b"" if imported is None else section(2, b"\1" + name(imported[0]) + name(imported[1]) + b"\0\0")
    index = b"\0" if imported is None else b"\1"
    arguments = b"".join(bytes([0x20, number]) for number in range(parameters))
    body = b"\0\x41\7\x0b" if imported is None else b"\0" + arguments + b"\x10\0\x0b"
    return b"".join(
        [
            b"\0asm\1\0\0\0",
            section(1, b"\1\x60" + bytes([parameters]) + b"\x7f" * parameters + b"\1\x7f"),
            imports,
            section(3, b"\1\0"),
            section(7, b"\1" + name(export) + b"\0" + index),
            section(10, b"\1" + bytes([len(body)]) + body),
        ]
    )


@pytest.fixture(scope="module")
def provider(wit: Path) -> bytes:
    return native.encode(module("test:parts/number@0.1.0#get"), wit=wit, world="provider")


@pytest.fixture(scope="module")
def relay(wit: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Imports the number, and exports it again."""
    path = tmp_path_factory.mktemp("wit") / "relay.wit"
    world = "world relay { import number; export number; }"
    path.write_text(wit.read_text(encoding="utf-8") + world, encoding="utf-8")
    core = module("test:parts/number@0.1.0#get", ("test:parts/number@0.1.0", "get"))
    return native.encode(core, wit=path, world="relay")


NUMBER = "test:parts/number@0.1.0"


def test_interfaces_say_what_can_be_linked(relay: bytes) -> None:
    found = native.interfaces("relay", relay)

    assert found.imports == (NUMBER,)
    assert found.needed == {NUMBER}
    assert found.exports == (NUMBER,)


def test_a_composition_has_the_exports_of_its_entry(relay: bytes, provider: bytes) -> None:
    parts = {"relay": native.Part(relay, links={NUMBER: "provider"}), "provider": native.Part(provider)}

    info = native.inspect(native.compose("relay", parts))

    assert info.imports == ()
    assert info.exports == (NUMBER,)


def test_what_does_not_fit_is_an_error_of_ours(relay: bytes) -> None:
    with pytest.raises(ComponentError, match="component relay does not import a:b/c; it imports test:parts"):
        native.check_link(("relay", relay), "a:b/c", ("other", relay))


def test_bytes_that_are_no_component_are_an_error_with_the_name() -> None:
    with pytest.raises(ComponentError, match="component broken cannot be composed"):
        native.interfaces("broken", b"\0asm\1\0\0\0")


def files(folder: Path, **components: bytes) -> list[str]:
    for name, content in components.items():
        (folder / f"{name}.wasm").write_bytes(content)
    return [str(folder / f"{name}.wasm") for name in components]


def test_compose_writes_files_as_one(
    tmp_path: Path, relay: bytes, provider: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.wasm"

    code = main(["compose", *files(tmp_path, relay=relay, provider=provider), "-o", str(target), "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(target),
        "size": target.stat().st_size,
        "imports": [],
        "exports": [NUMBER],
    }
    assert native.inspect(target.read_bytes()).exports == (NUMBER,)


def test_compose_leaves_the_file_that_is_there_when_the_new_one_cannot_be_written(
    tmp_path: Path, relay: bytes, provider: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.wasm"
    target.write_text("before")
    paths = files(tmp_path, relay=relay, provider=provider)

    with no_file_longer_than(100):
        code = main(["compose", *paths, "-o", str(target)])

    assert code == 1
    assert f"cannot write {target}: File too large" in capsys.readouterr().err
    assert target.read_text() == "before"
    assert not list(tmp_path.glob(".out*"))


def test_compose_refuses_two_that_answer_the_same(
    tmp_path: Path, relay: bytes, provider: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = files(tmp_path, relay=relay, first=provider, second=provider)

    code = main(["compose", *paths, "-o", str(tmp_path / "out.wasm")])

    said = capsys.readouterr().err
    assert code == 1
    assert f"relay.wasm imports {NUMBER}, and first.wasm and second.wasm both export it" in said
    assert not (tmp_path / "out.wasm").exists()


def test_compose_refuses_what_answers_nothing(
    tmp_path: Path, provider: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = files(tmp_path, first=provider, second=provider)

    code = main(["compose", *paths, "-o", str(tmp_path / "out.wasm")])

    assert code == 1
    assert "second.wasm answers none of the imports of the others" in capsys.readouterr().err


APP = """
app.name = "numbers"
[[http]]
route = "/..."
component = "relay"
[component.relay]
source = "relay.wasm"
[component.relay.link]
"test:parts/number@0.1.0" = "provider"
[component.provider]
source = "provider.wasm"
"""


async def linked(folder: Path, cache: Cache, reported: list[str]) -> compositions.Linked:
    manifest = load.load(folder)
    assert manifest is not None
    digests = {name: cache.add((folder / f"{name}.wasm").read_bytes()) for name in manifest.component}
    return await compositions.link(manifest, digests, cache, reported.append)


async def test_a_composition_is_made_once_and_again_when_a_part_changes(
    tmp_path: Path, relay: bytes, provider: bytes
) -> None:
    cache, reported = Cache.open(tmp_path / "cache"), list[str]()
    files(tmp_path, relay=relay, provider=provider)
    (tmp_path / "wisp.toml").write_text(APP, encoding="utf-8")

    first = await linked(tmp_path, cache, reported)
    again = await linked(tmp_path, cache, reported)
    (tmp_path / "provider.wasm").write_bytes(provider + b"\0\2\1x")  # a custom section more
    changed = await linked(tmp_path, cache, reported)

    assert list(first.digests) == ["relay"]
    assert again.digests == first.digests
    assert changed.digests != first.digests
    assert reported == ["relay: composing with provider"] * 2


async def test_a_link_whose_sides_differ_is_an_error_with_its_line(
    tmp_path: Path, relay: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.wit"
    other.write_text(WIT.replace("get: func() -> u32", "get: func() -> s32"), encoding="utf-8")
    provider = native.encode(module("test:parts/number@0.1.0#get"), wit=other, world="provider")
    files(tmp_path, relay=relay, provider=provider)
    (tmp_path / "wisp.toml").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError) as caught:
        await linked(tmp_path, Cache.open(tmp_path / "cache"), [])

    said = str(caught.value)
    assert said.startswith(f'wisp.toml:9:29: component.relay.link."{NUMBER}": ')
    assert said.endswith(
        f": provider does not export {NUMBER} as relay imports it:\n"
        "  function get: the result is `s32` in provider, `u32` in relay"
    )


PACKETS = """package test:parts@0.1.0;
interface types {{ record packet {{ {} }} }}
interface number {{ use types.{{packet}}; get: func(it: packet) -> u32; }}
world provider {{ export number; }}
world relay {{ import number; export wanted: func() -> u32; }}
"""


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app of two components that mean different things by a record."""
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.chdir(folder)
    relay, provider = tmp_path / "relay.wit", tmp_path / "provider.wit"
    relay.write_text(PACKETS.format("id: u32"), encoding="utf-8")
    provider.write_text(PACKETS.format("id: u32, ttl: u8"), encoding="utf-8")
    files(
        folder,
        relay=native.encode(caller(), wit=relay, world="relay"),
        provider=native.encode(module(f"{NUMBER}#get", parameters=2), wit=provider, world="provider"),
    )
    return folder


def caller() -> bytes:
    """Return a core module that imports `get: (i32) -> i32` and exports `wanted: () -> i32`."""
    return b"".join(
        [
            wasm.MODULE,
            wasm.section(1, b"\2\x60\1\x7f\1\x7f\x60\0\1\x7f"),
            wasm.section(2, b"\1" + wasm.name(NUMBER) + wasm.name("get") + b"\0\0"),
            wasm.section(3, b"\1\1"),
            wasm.section(7, b"\1" + wasm.name("wanted") + b"\0\1"),
            wasm.section(10, b"\1\6\0\x41\1\x10\0\x0b"),
        ]
    )


DIFFERENCE = (
    f"provider{{0}} does not export {NUMBER} as relay{{0}} imports it:\n"
    "  test:parts/types: record packet: field `ttl: u8` is in provider{0} only\n"
)


@pytest.mark.parametrize("mode", ["fused", "bridged"])
@pytest.mark.parametrize(
    "command", [["build"], ["compose", "-o", "out.wasm"], ["inspect"], ["up", "--listen", "127.0.0.1:0"]]
)
@pytest.mark.usefixtures("strangers")
def test_a_record_that_differs_is_told_by_its_field_before_anything_runs(
    mode: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    link = f'"{NUMBER}" = {{ component = "provider", mode = "{mode}" }}'
    Path("wisp.toml").write_text(APP.replace(f'"{NUMBER}" = "provider"', link), encoding="utf-8")

    code = main(command)

    assert code == 1
    assert f'component.relay.link."{NUMBER}": {DIFFERENCE.format("")}' in capsys.readouterr().err


def test_files_whose_records_differ_are_told_apart_by_the_field(
    strangers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["compose", "relay.wasm", "provider.wasm", "-o", "out.wasm"])

    assert code == 1
    assert f"error: {DIFFERENCE.format('.wasm')}" == capsys.readouterr().err
    assert not (strangers / "out.wasm").exists()


@pytest.fixture
def numbers(
    tmp_path: Path, relay: bytes, provider: bytes, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """An app of two components in the current folder, with an environment that keeps them apart, or not."""
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.chdir(folder)
    files(folder, relay=relay, provider=provider)
    Path("wisp.toml").write_text(
        APP + '[profile.apart.component.provider]\nenvironment = { KEY = "x" }\n', encoding="utf-8"
    )
    return {
        "component": "provider",
        "mode": "fused",
        "reason": "it is granted nothing that its caller is not",
    }


@pytest.mark.usefixtures("numbers")
def test_inspect_shows_the_links_of_an_app_as_a_tree_with_their_modes_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect"]) == 0
    fused = capsys.readouterr().out.splitlines()
    assert main(["inspect", "--profile", "apart"]) == 0
    bridged = capsys.readouterr().out.splitlines()

    link = f"{NUMBER}  -> provider (fused: it is granted nothing that its caller is not)"
    assert fused[:3] == ["numbers  app, 2 components, 1 link", "└── relay  /...", f"    └── {link}"]
    assert f"│   └── {link}" in fused
    assert (
        bridged[2]
        == f"    └── {NUMBER}  -> provider (bridged: it has an environment that its caller has not)"
    )


def test_inspect_gives_the_links_of_an_app_as_json(
    numbers: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--json"]) == 0

    relay, provider = json.loads(capsys.readouterr().out)
    assert relay["imports"][NUMBER] == {"items": ["get: func() -> u32"], "link": numbers}
    assert (provider["name"], provider["imports"]) == ("provider", {})


@pytest.mark.parametrize(("profile", "mode"), [([], "fused"), (["--profile", "apart"], "bridged")])
@pytest.mark.usefixtures("numbers")
def test_inspect_draws_links_with_their_interfaces_and_modes(
    profile: list[str], mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--graph", "svg", *profile]) == 0

    space = "{http://www.w3.org/2000/svg}"
    picture = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    [label] = picture.iterfind(f"{space}g[@class='label']")
    assert [text.text for text in label.iter(f"{space}text")] == [NUMBER, mode]
    titles = [box.findtext(f"{space}text") for box in picture.iterfind(f"{space}g[@class='box']")]
    assert sorted(titles, key=str) == ["HTTP", "provider", "relay"]


def test_a_newer_version_of_an_interface_is_compared_with_the_one_that_is_imported(
    tmp_path: Path, relay: bytes
) -> None:
    other = tmp_path / "other.wit"
    text = WIT.replace("@0.1.0", "@0.1.3").replace("get: func()", "get: func(base: u32)")
    other.write_text(text, encoding="utf-8")
    newer = native.encode(module("test:parts/number@0.1.3#get", parameters=1), wit=other, world="provider")

    assert disagreement(("relay", relay), NUMBER, ("newer", newer)) == (
        f"newer does not export {NUMBER} as relay imports it:\n"
        "  function get: parameter `base: u32` is in newer only"
    )


def test_an_interface_that_is_not_there_at_all_is_told_as_such(
    tmp_path: Path, relay: bytes, provider: bytes
) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT, encoding="utf-8")
    caller = native.encode(wasm.ADD, wit=wit, world="calculator")

    said = disagreement(("relay", relay), NUMBER, ("caller", caller))

    assert said == f"component caller does not export {NUMBER}; it exports add"
    assert disagreement(("relay", relay), NUMBER, ("provider", provider)) is None
