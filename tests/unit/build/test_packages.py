"""Which packages a component was built from, by the lock files of each language."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from wisp.build.packages import Package, Packages

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CARGO = """
version = 4
[[package]]
name = "web"
version = "0.1.0"
dependencies = ["serde", "rand 0.9.1"]
[[package]]
name = "other"
version = "0.1.0"
dependencies = ["unused"]
[[package]]
name = "serde"
version = "1.0.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "aa"
dependencies = ["serde_core"]
[[package]]
name = "serde_core"
version = "1.0.2"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "bb"
[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "rand"
version = "0.9.1"
source = "git+https://example.com/rand"
[[package]]
name = "unused"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"""
NPM = """{"lockfileVersion": 3, "packages": {
  "": {"name": "web"},
  "node_modules/@types/node": {"version": "24.0.0", "integrity": "sha512-%s"},
  "node_modules/a/node_modules/b": {"version": "1.2.3"},
  "node_modules/alias": {"name": "real", "version": "3.0.0"},
  "node_modules/tool": {"version": "1.0.0", "dev": true},
  "node_modules/linked": {"link": true, "resolved": "../linked"}
}}"""


def found(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text, encoding="utf-8")
    return [package.url for package in Packages(folder, no_complaint).of(folder)]


def no_complaint(message: str) -> None:
    raise AssertionError(message)


def test_of_a_workspace_what_the_crate_reaches_is_taken(tmp_path: Path) -> None:
    crate = tmp_path / "crates" / "web"
    crate.mkdir(parents=True)
    (tmp_path / "Cargo.lock").write_text(CARGO, encoding="utf-8")
    (crate / "Cargo.toml").write_text('[package]\nname = "web"\n', encoding="utf-8")

    packages = Packages(tmp_path, no_complaint).of(crate)

    assert [package.url for package in packages] == [
        "pkg:cargo/rand@0.9.1",
        "pkg:cargo/serde@1.0.1",
        "pkg:cargo/serde_core@1.0.2",
    ]
    assert packages[1].digest == "SHA-256:aa"


def test_packages_of_npm_without_those_for_development(tmp_path: Path) -> None:
    content = b"x" * 64
    (tmp_path / "package-lock.json").write_text(NPM % base64.b64encode(content).decode(), encoding="utf-8")

    packages = Packages(tmp_path, no_complaint).of(tmp_path)

    assert [package.url for package in packages] == [
        "pkg:npm/%40types/node@24.0.0",
        "pkg:npm/b@1.2.3",
        "pkg:npm/real@3.0.0",
    ]
    assert packages[0].digest == f"SHA-512:{content.hex()}"


def test_packages_of_python(tmp_path: Path) -> None:
    uv = '[[package]]\nname = "Foo_bar"\nversion = "1.0"\nsource = { registry = "https://pypi.org/simple" }\n'
    own = '[[package]]\nname = "own"\nversion = "0"\nsource = { editable = "." }\n'
    requirements = (
        "# no\nbaz[extra] == 2.0+local ; python_version > '3' \\\n  --hash=sha256:aa\n-r other.txt\n"
    )

    assert found(tmp_path, uv_lock=uv + own, requirements_txt=requirements) == [
        "pkg:pypi/baz@2.0%2Blocal",
        "pkg:pypi/foo-bar@1.0",
    ]


def test_modules_of_go_that_were_read_whole(tmp_path: Path) -> None:
    text = (
        "example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\nexample.com/b v0.1.0/go.mod h1:z=\n"
    )

    assert found(tmp_path, go_sum=text) == ["pkg:golang/example.com/a@v1.0.0"]


def test_a_lock_file_above_the_manifest_is_not_the_apps(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "web").mkdir(parents=True)
    (tmp_path / "go.sum").write_text("example.com/a v1.0.0 h1:x=\n", encoding="utf-8")

    assert Packages(app, no_complaint).of(app / "web") == ()


def test_what_cannot_be_read_is_said_and_the_rest_is_listed(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 1}', encoding="utf-8")
    (tmp_path / "Cargo.lock").write_bytes(b"\xff")
    (tmp_path / "go.sum").write_text("example.com/a v1.0.0 h1:x=\n", encoding="utf-8")

    packages = Packages(tmp_path, said.append).of(tmp_path)

    assert packages == (Package("golang", "example.com/a", "v1.0.0"),)
    assert [message.partition(" ")[0] for message in said] == ["Cargo.lock", "package-lock.json"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("wisp.build.packages._MOST_SIZE", 10)
    (tmp_path / "go.sum").write_text("example.com/a v1.0.0 h1:x=\n", encoding="utf-8")

    assert Packages(tmp_path, said.append).of(tmp_path) == ()
    assert "too large" in said[0]
