"""What a Python project imports of the host, read from its sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from wisp.build import guests, worlds
from wisp.build.python_capabilities import INTERFACES, exports, imports
from wisp.errors import BuildError
from wisp.wit import shipped

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {interface.partition("/")[0] for interfaces in INTERFACES.values() for interface in interfaces}
KEYVALUE = ("wasi:keyvalue/atomics", "wasi:keyvalue/batch", "wasi:keyvalue/store", "wisp:keyvalue/extension")


def source(folder: Path, text: str, name: str = "app.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "import wisp_guest.keyvalue\n",
        "import os, wisp_guest.keyvalue as kv\n",
        "from wisp_guest import http, keyvalue\n",
        "from wisp_guest.keyvalue import open\n",
        "def late():\n    from wisp_guest import keyvalue\n",
        "try:\n    from wisp_guest import keyvalue\nexcept ImportError:\n    keyvalue = None\n",
    ],
)
def test_a_module_of_the_library_brings_the_interfaces_that_it_calls(text: str, tmp_path: Path) -> None:
    assert imports([source(tmp_path, text)]) == KEYVALUE


@pytest.mark.parametrize(
    "text",
    [
        "from wisp_guest.http import Request, Response, serve\n",
        "# from wisp_guest import keyvalue\n",
        "text = 'import wisp_guest.keyvalue'\n",
        "from .wisp_guest import keyvalue\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wisp_guest.keyvalue import Store\n",
        "import typing\nif typing.TYPE_CHECKING:\n    from wisp_guest.keyvalue import Store\n",
        "from wisp_guest import keyvalue, this is no Python\n",
    ],
)
def test_what_is_not_imported_brings_nothing(text: str, tmp_path: Path) -> None:
    assert imports([source(tmp_path, text)]) == ()


def test_all_modules_of_a_project_count_and_nothing_else_does(tmp_path: Path) -> None:
    files = [
        source(tmp_path, "from wisp_guest import config\n"),
        source(tmp_path, "import wisp_guest.logs\n", "other.py"),
        source(tmp_path, "from wisp_guest import sqlite\n", "notes.txt"),
    ]

    assert imports(files) == ("wasi:config/store", "wasi:logging/logging")


def test_every_module_is_there_and_calls_interfaces_that_wisp_has() -> None:
    folders = {package: shipped.packages()[str(shipped.find(package))] for package in PACKAGES}
    texts = {
        package: (folder / "package.wit").read_text(encoding="utf-8") for package, folder in folders.items()
    }

    for module, interfaces in INTERFACES.items():
        if module.startswith("wisp_guest."):
            file = module.removeprefix("wisp_guest.") + ".py"
            assert (guests.FOLDER / "python" / "src" / "wisp_guest" / file).is_file()
        for interface in interfaces:
            package, _, name = interface.partition("/")
            assert re.search(rf"\binterface {name}\b", texts[package])


def test_a_service_is_staged_with_the_interfaces_and_the_packages_that_they_are_of(tmp_path: Path) -> None:
    folder, name = worlds.stage_service(None, tmp_path / "staged", imports=("wasi:config/store",))

    assert name == "wisp:project/service"
    assert "import wasi:config/store@0.2.0-rc.1;" in (folder / "world.wit").read_text(encoding="utf-8")
    assert (folder / "deps" / "wasi-config" / "package.wit").is_file()


def own_world(folder: Path, package: str, *, world: str = "world part {}") -> worlds.World:
    (folder / "wit" / "deps").mkdir(parents=True)
    source(folder / "wit", f"package a:b;\n{world}\n", "world.wit")
    source(folder / "wit" / "deps", package, "own.wit")
    found = worlds.find(folder)
    assert found is not None
    return found


def test_a_package_of_the_project_s_own_is_taken_in_place_of_ours(tmp_path: Path) -> None:
    own = own_world(tmp_path, "package wasi:config@0.2.0-rc.9;\ninterface store {}\n")

    folder, _ = worlds.stage_service(own, tmp_path / "staged", imports=("wasi:config/store",))

    text = (folder / "world.wit").read_text(encoding="utf-8")
    assert "import wasi:config/store@0.2.0-rc.9;" in text
    assert "rc.1" not in text


def test_a_package_of_the_project_s_own_that_lacks_an_interface_is_an_error(tmp_path: Path) -> None:
    own = own_world(tmp_path, "package wasi:keyvalue@0.2.0-draft2;\ninterface store {}\n")

    with pytest.raises(BuildError, match="has no interface `atomics`") as caught:
        worlds.stage_service(own, tmp_path / "staged", imports=("wasi:keyvalue/atomics",))

    assert caught.value.file == tmp_path / "wit" / "deps" / "own.wit"
    assert "wisp wit add wasi:keyvalue" in str(caught.value.hint)


def test_a_library_is_staged_too_when_it_uses_something_of_the_host(tmp_path: Path) -> None:
    own = own_world(
        tmp_path, "package c:d;\ninterface e { f: func(); }\n", world="world part { export c:d/e; }"
    )

    folder, name = worlds.stage_library(own, tmp_path / "staged", imports=("wasi:http/outgoing-handler",))

    text = (folder / "world.wit").read_text(encoding="utf-8")
    assert name == "wisp:project/library"
    assert "include a:b/part;" in text
    assert "import wasi:http/outgoing-handler@0.2.12;" in text


@pytest.mark.parametrize(
    ("text", "exported", "is_service"),
    [
        ("from wisp_guest.http import serve\n", (), True),
        ("import wisp_guest.keyvalue\n", (), True),
        ("from wisp_guest import cron\n", ("wisp:cron/handler",), False),
        ("from wisp_guest.cron import Tick, handler\n", ("wisp:cron/handler",), False),
        ("from wisp_guest import cron, http\n", ("wisp:cron/handler",), True),
        ("from wisp_guest import cron\nfrom wisp_guest.http import serve\n", ("wisp:cron/handler",), True),
        ("import wisp_guest.cron\nclass IncomingHandler: ...\n", ("wisp:cron/handler",), True),
    ],
)
def test_what_calls_a_component_is_read_from_its_sources_too(
    text: str, exported: tuple[str, ...], is_service: bool, tmp_path: Path
) -> None:
    assert exports([source(tmp_path, text)]) == (exported, is_service)
