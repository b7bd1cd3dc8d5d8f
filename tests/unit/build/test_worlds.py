"""The world that a project has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.build import worlds
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = "package cyber:gateway;\nworld gateway { import cyber:packets/data-processor@0.2.0; }\n"


def write(folder: Path, text: str, name: str = "world.wit") -> None:
    path = folder / "wit" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_project_without_wit_has_no_world_of_its_own(tmp_path: Path) -> None:
    assert worlds.find(tmp_path) is None


def test_a_world_that_only_imports_belongs_to_a_service(tmp_path: Path) -> None:
    write(tmp_path, SERVICE)
    write(tmp_path, "package cyber:packets@0.2.0;\ninterface data-processor {}\n", "deps/packets.wit")

    world = worlds.find(tmp_path)

    assert world is not None
    assert (world.name, world.is_library) == ("cyber:gateway/gateway", False)
    assert world.packages == ("cyber:gateway", "cyber:packets")


def test_a_world_that_exports_belongs_to_a_library(tmp_path: Path) -> None:
    write(tmp_path, "package a:b@1.2.0;\nworld it { import x: interface { f: func(); } export c; }\n")

    world = worlds.find(tmp_path)

    assert world is not None
    assert (world.name, world.is_library) == ("a:b/it@1.2.0", True)


def test_what_stands_in_comments_or_in_other_worlds_does_not_count(tmp_path: Path) -> None:
    text = "package a:b;\n// world no { export x; }\n/* export */ world one { import c; }\nworld two { export d; }\n"
    write(tmp_path, text)

    one, two = (worlds.find(tmp_path, named=name) for name in ("one", "two"))

    assert one is not None
    assert two is not None
    assert (one.is_library, two.is_library) == (False, True)


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        ("package a:b;\n", None, "the WIT in the folder wit has no world"),
        (SERVICE, "gate", "the WIT in the folder wit has no world `gate`"),
        (
            "package a:b;\nworld x {}\nworld y {}\n",
            None,
            "the WIT in the folder wit has several worlds: x, y",
        ),
    ],
)
def test_a_world_that_cannot_be_found_is_an_error(
    tmp_path: Path, text: str, named: str | None, said: str
) -> None:
    write(tmp_path, text)

    with pytest.raises(BuildError) as caught:
        worlds.find(tmp_path, named=named)

    assert str(caught.value) == said
    assert caught.value.hint


def test_a_world_that_is_named_without_wit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="the settings name the world `gateway`, and there is no WIT"):
        worlds.find(tmp_path, named="gateway")


def test_a_service_is_staged_with_its_own_imports_beside_those_of_http(tmp_path: Path) -> None:
    write(tmp_path, SERVICE)
    write(tmp_path, "package cyber:packets@0.2.0;\ninterface data-processor {}\n", "deps/packets.wit")
    write(tmp_path, "package wasi:io@0.2.12;\ninterface poll {}\n", "deps/io/poll.wit")
    world = worlds.find(tmp_path)
    assert world is not None

    folder, name = worlds.stage_service(world, tmp_path / "staged")

    assert name == "wisp:project/service"
    assert "include cyber:gateway/gateway;" in (folder / "world.wit").read_text(encoding="utf-8")
    assert (folder / "deps" / "packets.wit").is_file()
    assert not (folder / "deps" / "io").exists()
