from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.build import builders, detect, languages
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "language"),
    [
        (["Cargo.toml", "src/lib.rs"], "rust"),
        (["go.mod", "main.go"], "go"),
        (["app.py"], "python"),
        (["pyproject.toml"], "python"),
        (["requirements.txt"], "python"),
        (["package.json"], "javascript"),
        (["app.ts"], "javascript"),
        (["src/index.js"], "javascript"),
        (["service.c"], "c"),
        (["Cargo.toml", "package.json"], "rust"),
        (["app.py", "package.json"], "python"),
        (["README.md"], None),
        ([], None),
    ],
)
def test_a_language_is_found_by_its_files(tmp_path: Path, names: list[str], language: str | None) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            '[package]\nname = "x"\n' if name == "Cargo.toml" else "", encoding="utf-8"
        )

    found = detect(tmp_path)

    assert (found.language if found else None) == language


def test_every_builder_is_named_as_its_module() -> None:
    assert [builder.language for builder in builders()] == list(languages.MODULES)


def test_a_folder_without_a_known_language_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no language found for component `x`") as caught:
        languages.require(tmp_path, "x")

    assert caught.value.hint is not None
    assert "Cargo.toml" in caught.value.hint


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="does not exist"):
        languages.require(tmp_path / "absent", "x")


@pytest.mark.parametrize("language", languages.MODULES)
def test_every_builder_tells_its_tools_and_a_fingerprint(language: str, tmp_path: Path) -> None:
    builder = languages.builder(language)

    tools = builder.tools(None)

    assert all(tool.name and tool.required and tool.install for tool in tools)
    assert builder.fingerprint(tmp_path) == builder.fingerprint(tmp_path)
