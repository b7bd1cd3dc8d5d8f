"""`wisp build`: what is built, what is not built again, and what it says of both."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.guests.build import component
from tests.integration.cli.program import WISP, environment, wisp

pytestmark = pytest.mark.timeout(600)  # the first run fetches a compiler

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = """
[app]
name = "shop"
version = "1.2.3"

[[http]]
route = "/a"
component = "a"

[[http]]
route = "/b"
component = "b"

[component.a]
source = "a.wasm"

[component.b]
source = "b"
build = { command = "cp hello.wasm made.wasm && echo once >> ../log", watch = ["*.txt"] }
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app of two components: a file, and one that a command makes."""
    folder = tmp_path / "app"
    (folder / "b").mkdir(parents=True)
    shutil.copyfile(component("http2"), folder / "a.wasm")
    shutil.copyfile(component("http2"), folder / "b" / "hello.wasm")
    (folder / "b" / "input.txt").write_text("1", encoding="utf-8")
    (folder / "wisp.toml").write_text(MANIFEST, encoding="utf-8")
    return folder


def build(folder: Path, *words: str) -> dict[str, Any]:
    finished = wisp("build", folder, *words, "--json", WISP_CACHE_DIR=str(folder.parent / "cache"))
    assert finished.returncode == 0, finished.stderr
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


def test_every_component_is_in_the_cache_afterwards(app: Path) -> None:
    built = build(app)

    assert (built["app"], built["version"]) == ("shop", "1.2.3")
    assert set(built["components"]) == {"a", "b"}
    for one in built["components"].values():
        assert Path(one["path"]).stat().st_size == one["size"]
        assert Path(one["path"]).stem == one["digest"].removeprefix("sha256:")


def test_what_did_not_change_is_not_built_again(app: Path) -> None:
    first = build(app)["components"]["b"]
    second = build(app)["components"]["b"]

    assert (first["cached"], second["cached"]) == (False, True)
    assert first["digest"] == second["digest"]
    assert (app / "log").read_text(encoding="utf-8") == "once\n"


def test_a_changed_input_is_built_again(app: Path) -> None:
    build(app)
    (app / "b" / "input.txt").write_text("2", encoding="utf-8")

    assert build(app)["components"]["b"]["cached"] is False
    assert (app / "log").read_text(encoding="utf-8") == "once\nonce\n"


def test_one_component_can_be_built_alone(app: Path) -> None:
    assert set(build(app, "a")["components"]) == {"a"}
    assert not (app / "log").exists()


def test_without_json_each_component_is_a_line(app: Path) -> None:
    finished = wisp("build", app, WISP_CACHE_DIR=str(app.parent / "cache"))

    lines = [line.split() for line in finished.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["stored", "a"], ["built", "b"]]


def test_an_unknown_component_names_the_known_ones(app: Path) -> None:
    finished = wisp("build", app, "c")

    assert finished.returncode == 1
    assert "has no component c" in finished.stderr
    assert "a, b" in finished.stderr


def test_a_core_module_is_refused_by_name(app: Path) -> None:
    (app / "a.wasm").write_bytes(b"\0asm\1\0\0\0")

    finished = wisp("build", app, "a")

    assert finished.returncode == 1
    assert "component a: " in finished.stderr
    assert "core WebAssembly module" in finished.stderr


def test_a_file_that_is_no_webassembly_is_refused_by_name(app: Path) -> None:
    (app / "a.wasm").write_text("hello", encoding="utf-8")

    finished = wisp("build", app, "a")

    assert finished.returncode == 1
    assert "not a WebAssembly file" in finished.stderr


def test_a_failed_command_shows_what_it_said(app: Path) -> None:
    manifest = app / "wisp.toml"
    manifest.write_text(MANIFEST.replace("cp hello.wasm", "echo oh no >&2; false"), encoding="utf-8")

    finished = wisp("build", app)

    assert finished.returncode == 1
    assert "exit code 1" in finished.stderr
    assert "  | oh no" in finished.stderr


def test_ctrl_c_ends_a_build_with_its_tools(app: Path) -> None:
    started = app / "b" / "started"
    os.mkfifo(started)
    manifest = app / "wisp.toml"
    manifest.write_text(
        MANIFEST.replace("cp hello.wasm", "echo > started; exec sleep 600;"), encoding="utf-8"
    )
    process = subprocess.Popen(
        [WISP, "build", app],
        env=environment(WISP_CACHE_DIR=str(app.parent / "cache")),
        stderr=subprocess.PIPE,
    )
    started.read_bytes()

    # To this process alone: a terminal would send it to the tools, too.
    process.send_signal(signal.SIGINT)

    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said


def test_a_folder_with_nothing_in_it_says_how_to_begin(tmp_path: Path) -> None:
    finished = wisp("build", tmp_path)

    assert finished.returncode == 1
    assert "no wisp.toml" in finished.stderr
    assert "`wisp new`" in finished.stderr


def test_a_folder_without_a_manifest_but_with_one_component_is_an_app(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    folder.mkdir()
    shutil.copyfile(component("http2"), folder / "only.wasm")

    assert set(build(folder)["components"]) == {"only"}


def test_several_components_without_a_manifest_are_ambiguous(tmp_path: Path) -> None:
    for name in ("one.wasm", "two.wasm"):
        shutil.copyfile(component("http2"), tmp_path / name)

    finished = wisp("build", tmp_path)

    assert finished.returncode == 1
    assert "one.wasm, two.wasm" in finished.stderr


def test_a_wrong_manifest_names_file_and_line(app: Path) -> None:
    (app / "wisp.toml").write_text('[app]\nname = "shop"\nversoin = "1"\n', encoding="utf-8")

    finished = wisp("build", folder=app)

    assert finished.returncode == 1
    assert "wisp.toml:3" in finished.stderr
    assert "version" in finished.stderr
