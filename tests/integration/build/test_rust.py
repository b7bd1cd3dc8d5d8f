"""The Rust builder with the real cargo."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.guests import build as guests
from tests.integration.build.projects import build, write
from wisp import native
from wisp.build import Project, build_component
from wisp.build.rust import BUILDER
from wisp.errors import BuildError, ToolchainError
from wisp.registry.cache import Cache

# The first run of all compiles the standard library.
pytestmark = pytest.mark.timeout(600)

TEMPLATES = Path(native.__file__).parents[1] / "templates"
MANIFEST = '[package]\nname = "broken"\nversion = "0.1.0"\nedition = "2024"\n[lib]\ncrate-type = ["cdylib"]\n'


@pytest.fixture(autouse=True)
def rust() -> None:
    guests.use_rust()


@pytest.fixture
def work() -> Path:
    """Beside the work folders of real builds, so that they share one target folder."""
    return Cache.open().folder("work", "test-rust")


@pytest.mark.parametrize(("template", "version"), [("rust", "0.2"), ("rust-p3", "0.3")])
def test_a_template_becomes_a_component_that_answers_http(
    tmp_path: Path, work: Path, template: str, version: str
) -> None:
    folder = tmp_path / "service"
    shutil.copytree(TEMPLATES / template, folder)
    cargo = folder / "Cargo.toml"
    cargo.write_text(cargo.read_text().replace("{{name}}", f"from-{template}"))

    info = native.inspect(build(BUILDER, folder, work))

    assert (info.kind, info.http) == ("component", version)


def test_an_error_of_the_compiler_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(
        tmp_path, Cargo_toml=MANIFEST, src__lib_rs="fn sound() {}\n\nfn unsound() -> u32 { true }\n"
    )

    with pytest.raises(BuildError, match="mismatched types") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "service",
        folder / "src/lib.rs",
        3,
    )
    assert "expected `u32`, found `bool`" in (caught.value.output or "")


def test_an_error_in_the_package_manifest_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, Cargo_toml=MANIFEST + "nonsense\n", src__lib_rs="")

    with pytest.raises(BuildError) as caught:
        build(BUILDER, folder, work)

    assert (caught.value.file, caught.value.line) == (folder / "Cargo.toml", 7)


def test_a_package_without_a_component_is_told_what_it_needs(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, Cargo_toml=MANIFEST.partition("[lib]")[0], src__lib_rs="")

    with pytest.raises(BuildError, match="makes no component") as caught:
        build(BUILDER, folder, work)

    assert 'crate-type = ["cdylib"]' in (caught.value.hint or "")


def test_without_cargo_the_error_says_how_to_install_it(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, Cargo_toml=MANIFEST, src__lib_rs="")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolchainError) as caught:
        build(BUILDER, folder, work)

    assert caught.value.tool == "cargo"
    assert "rustup.rs" in (caught.value.hint or "")


def test_without_the_target_the_error_says_how_to_add_it(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "project", Cargo_toml=MANIFEST, src__lib_rs="")
    for name in ("cargo", "rustc"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\necho /nowhere/wasm32-wasip2/lib\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    with pytest.raises(ToolchainError) as caught:
        build(BUILDER, folder, work)

    assert caught.value.hint == "rustup target add wasm32-wasip2"


def test_what_has_not_changed_is_not_built_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "project", Cargo_toml=MANIFEST, Cargo_lock=LOCK, src__lib_rs="")
    said: list[str] = []
    project = Project("service", folder)

    first = build_component(project, Cache.open(), said.append)
    second = build_component(project, Cache.open(), said.append)

    assert (first.digest, second.cached) == (second.digest, True)


LOCK = 'version = 4\n\n[[package]]\nname = "broken"\nversion = "0.1.0"\n'


def test_files_of_path_dependencies_and_of_the_workspace_are_inputs(tmp_path: Path) -> None:
    shared = '[dependencies]\nshared = { path = "../shared" }\nnamed = { workspace = true }\n'
    write(
        tmp_path,
        Cargo_toml='[workspace]\nmembers = ["service"]\n[workspace.dependencies]\nnamed = { path = "named" }\n',
        Cargo_lock="",
        service__Cargo_toml=MANIFEST + shared,
        service__src__lib_rs="",
        shared__Cargo_toml=MANIFEST,
        shared__src__lib_rs="",
        named__Cargo_toml=MANIFEST,
        named__src__lib_rs="",
        other__src__lib_rs="",
        target__debug__made_rs="",
    )

    names = {path.relative_to(tmp_path).as_posix() for path in BUILDER.inputs(tmp_path / "service")}

    assert names == {
        *("Cargo.toml", "Cargo.lock", "service/Cargo.toml", "service/src/lib.rs"),
        *("shared/Cargo.toml", "shared/src/lib.rs", "named/Cargo.toml", "named/src/lib.rs"),
    }
