"""Copies of files that components see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.manifest import copies
from wisp.manifest.grants import FileGrant
from wisp.manifest.load import loads

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.manifest.models import Manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.txt",
        "assets/b.txt",
        "assets/in/c.txt",
        "assets/in/.hidden",
        "secret",
        "assets/secret/d",
        "x[1].txt",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    (tmp_path / "a.wasm").touch()
    return tmp_path


def seen(folder: Path, *include: object, exclude: tuple[str, ...] = ()) -> list[str]:
    grant = FileGrant.model_validate({"mount": "/", "include": list(include), "exclude": list(exclude)})
    return sorted(copies.files(folder, grant))


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "x[1].txt"]),
        ("x[1].txt", ["x[1].txt"]),
        ("?.txt", ["a.txt"]),
        ("[ab].txt", ["a.txt"]),
        ("[!a]*.txt", ["x[1].txt"]),
        ("assets/*", ["assets/b.txt"]),
        ("assets/**/*", ["assets/b.txt", "assets/in/.hidden", "assets/in/c.txt", "assets/secret/d"]),
        ("./assets/**/*.txt", ["assets/b.txt", "assets/in/c.txt"]),
        ("assets/in", ["assets/in/.hidden", "assets/in/c.txt"]),
        ("**/c.txt", ["assets/in/c.txt"]),
        ("nothing/*", []),
    ],
)
def test_a_glob_means_what_it_means_in_spin(folder: Path, pattern: str, files: list[str]) -> None:
    assert seen(folder, pattern) == files


def test_what_is_left_out_is_so_by_its_place_in_the_app(folder: Path) -> None:
    assert seen(folder, "assets/**/*", exclude=("**/c.txt", "assets/secret/*")) == [
        "assets/b.txt",
        "assets/in/.hidden",
    ]
    assert seen(folder, {"source": "assets", "to": "/"}, exclude=("assets/*",)) == []
    assert seen(folder, "**/*", exclude=("*.txt", "*.wasm", "**/.hidden")) == ["assets/secret/d", "secret"]


def test_files_and_folders_get_other_places(folder: Path) -> None:
    assert seen(folder, {"source": "assets/in", "to": "/static/"}, {"source": "a.txt", "to": "b.txt"}) == [
        "b.txt",
        "static/.hidden",
        "static/c.txt",
    ]


@pytest.mark.parametrize("wrong", ["../up", "/etc/passwd", "nothing", {"source": "nothing", "to": "x"}])
def test_what_is_not_there_or_lies_outside_is_refused(folder: Path, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"there is no file|leads out of the folder"):
        seen(folder, wrong)


def manifest(folder: Path) -> Manifest:
    text = """
        app = { name = "app" }
        [component.a]
        source = "a.wasm"
        grants = { files = [{ mount = "/", include = ["assets/**/*.txt"] }] }
    """
    return loads(text, path=folder / "wisp.toml")


def test_a_copy_is_made_once_and_anew_when_something_changed(folder: Path) -> None:
    app = manifest(folder)
    grant = app.component["a"].grants.files[0]

    copies.stage(app)
    first = folder / copies.place(folder, "a", grant)
    before = first.stat().st_mtime_ns
    copies.stage(app)
    (folder / "assets" / "b.txt").write_text("changed", encoding="utf-8")
    copies.stage(app)
    second = folder / copies.place(folder, "a", grant)

    assert first.stat().st_mtime_ns == before
    assert first != second
    assert (first / "assets" / "b.txt").read_text(encoding="utf-8") == "assets/b.txt"
    assert (second / "assets" / "b.txt").read_text(encoding="utf-8") == "changed"
    assert sorted(path.name for path in first.parent.iterdir()) == sorted([first.name, second.name])


def test_a_copy_that_cannot_be_made_is_said_with_the_component(folder: Path) -> None:
    app = manifest(folder)
    (folder / ".wisp").touch()

    with pytest.raises(ManifestError, match="component a: the files for / cannot be copied"):
        copies.stage(app)
