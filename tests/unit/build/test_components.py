"""The facade, with a build command in place of a language: no tool is slow, and everything else is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seam import wasm
from wisp.build import Project, build_component
from wisp.errors import BuildError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a.bin").write_bytes(wasm.COMPONENT)
    (folder / "module.bin").write_bytes(wasm.MODULE)
    return folder


def silent(_: str) -> None:
    pass


def test_a_command_s_product_is_kept_in_the_cache(cache: Cache, folder: Path) -> None:
    said: list[str] = []

    result = build_component(Project("one", folder, command="cp a.bin out.wasm"), cache, said.append)

    assert cache.read(result.digest) == wasm.COMPONENT
    assert (result.component, result.language, result.cached) == ("one", "command", False)
    assert result.size == len(wasm.COMPONENT)
    assert said == ["one: cp a.bin out.wasm"]


def test_the_same_inputs_are_built_once(cache: Cache, folder: Path) -> None:
    project = Project("one", folder, command="echo x >> ../count && cp a.bin out.wasm")

    first = build_component(project, cache, silent)
    second = build_component(project, cache, silent)

    assert (first.cached, second.cached) == (False, True)
    assert second.digest == first.digest
    assert (folder.parent / "count").read_text(encoding="utf-8") == "x\n"


def test_changed_sources_are_built_again(cache: Cache, folder: Path) -> None:
    project = Project("one", folder, command="cp a.bin out.wasm")
    build_component(project, cache, silent)
    (folder / "b.txt").write_text("new", encoding="utf-8")

    assert not build_component(project, cache, silent).cached


def test_only_watched_files_decide_when_some_are_named(cache: Cache, folder: Path) -> None:
    project = Project("one", folder, command="cp a.bin out.wasm", watch=("*.bin",))
    first = build_component(project, cache, silent)
    (folder / "b.txt").write_text("new", encoding="utf-8")

    assert build_component(project, cache, silent).cached
    assert first.inputs == (folder / "a.bin", folder / "module.bin")


def test_a_component_that_left_the_cache_is_built_again(cache: Cache, folder: Path) -> None:
    project = Project("one", folder, command="cp a.bin out.wasm")
    first = build_component(project, cache, silent)
    cache.component(first.digest).unlink()

    assert not build_component(project, cache, silent).cached


def test_a_named_product_is_taken_and_runs_in_its_workdir(cache: Cache, folder: Path) -> None:
    (folder / "sub").mkdir()
    project = Project(
        "one",
        folder,
        command="cp ../a.bin right.bin; touch wrong.wasm",
        workdir="sub",
        product="sub/right.bin",
    )

    assert cache.read(build_component(project, cache, silent).digest) == wasm.COMPONENT


def test_a_command_may_write_straight_to_the_output(cache: Cache, folder: Path) -> None:
    project = Project("one", folder, command='cp a.bin "$WISP_OUTPUT"')

    assert cache.read(build_component(project, cache, silent).digest) == wasm.COMPONENT


@pytest.mark.parametrize(
    ("command", "product", "message"),
    [
        ("echo oops >&2; exit 7", None, "failed with exit code 7"),
        ("true", None, "made no .wasm file"),
        ("true", "out.wasm", "did not make out.wasm"),
        ("cp module.bin out.wasm", None, "a core WebAssembly module"),
        ("echo hello > out.wasm", None, "not WebAssembly"),
    ],
)
def test_a_command_that_fails_says_how(
    cache: Cache, folder: Path, command: str, product: str | None, message: str
) -> None:
    with pytest.raises(BuildError, match=message) as caught:
        build_component(Project("one", folder, command=command, product=product), cache, silent)

    assert caught.value.component == "one"
    if "oops" in command:
        assert caught.value.output == "oops"


def test_a_workdir_that_does_not_exist_is_an_error(cache: Cache, folder: Path) -> None:
    with pytest.raises(BuildError, match="folder does not exist"):
        build_component(Project("one", folder, command="true", workdir="absent"), cache, silent)


def test_a_folder_without_a_language_names_the_component(cache: Cache, folder: Path) -> None:
    with pytest.raises(BuildError, match="no language found") as caught:
        build_component(Project("one", folder), cache, silent)

    assert caught.value.component == "one"
