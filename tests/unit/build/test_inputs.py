from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wisp.build import inputs
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return folder


def names(folder: Path, *ignored: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in inputs.source_files(folder, ignored=ignored)]


def test_hidden_files_products_and_the_manifest_are_no_sources(tmp_path: Path) -> None:
    sources = ("app.py", "data/a.json", "pkg/b.py")
    others = (
        *(".env", ".venv/x.py", "__pycache__/a.pyc", "node_modules/m/index.js", "target/x", "out.wasm"),
        *("wisp.toml", "wisp.lock", "my.egg-info/PKG-INFO", "b.py~"),
    )

    make(tmp_path, *sources, *others)

    assert names(tmp_path) == list(sources)


def test_a_builder_may_ignore_more(tmp_path: Path) -> None:
    make(tmp_path, "app.py", "tests/x.py", "pkg/test_a.py")

    assert names(tmp_path, "tests", "test_*.py") == ["app.py"]


def test_a_folder_with_too_many_files_is_not_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MOST_FILES", 2)
    make(tmp_path, "a", "b", "c")

    with pytest.raises(BuildError, match="is it really a component's folder"):
        inputs.source_files(tmp_path)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be read"):
        inputs.source_files(tmp_path / "absent")


def test_globs_name_files(tmp_path: Path) -> None:
    make(tmp_path, "src/a.c", "src/deep/b.c", "other.c")

    found = inputs.matching(tmp_path, ["src/**/*.c", "src/a.c"])

    assert found == [tmp_path / "src/a.c", tmp_path / "src/deep/b.c"]


def digest(folder: Path, *facts: str) -> str:
    return inputs.digest(folder, inputs.source_files(folder), facts)


def test_a_copy_of_a_project_has_the_same_digest(tmp_path: Path) -> None:
    one = make(tmp_path / "one", "a.py", "b/c.py")
    two = make(tmp_path / "two", "a.py", "b/c.py")

    assert digest(one, "x") == digest(two, "x")
    assert digest(one, "x").startswith("sha256:")


def test_whatever_decides_the_output_changes_the_digest(tmp_path: Path) -> None:
    before = digest(make(tmp_path, "a.py"), "x")

    assert digest(tmp_path, "y") != before
    assert digest(tmp_path, "x", "") != before
    (tmp_path / "a.py").write_text("changed", encoding="utf-8")
    assert digest(tmp_path, "x") != before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert digest(tmp_path, "x") != before


def test_a_file_that_is_gone_counts_as_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"

    gone = inputs.digest(tmp_path, [path], [])
    path.touch()

    assert inputs.digest(tmp_path, [path], []) != gone


def test_what_is_no_file_of_content_is_no_source(tmp_path: Path) -> None:
    make(tmp_path, "app.py")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")

    assert names(tmp_path) == ["app.py", "gone"]
    assert inputs.digest(tmp_path, inputs.source_files(tmp_path), []).startswith("sha256:")
