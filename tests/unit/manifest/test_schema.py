"""The JSON Schema, the reference made from it, and `wisp schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wisp.cli import main
from wisp.manifest import reference, schema
from wisp.manifest.load import loads

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "manifest.md"


def tables(node: object) -> Iterator[dict[str, Any]]:
    """List every table with keys of its own."""
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for child in node.values():
            yield from tables(child)


def test_it_names_its_dialect_and_itself() -> None:
    written = schema.json_schema()

    assert written["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert written["$id"] == schema.SCHEMA_ID
    assert written["title"] == "wisp.toml"
    assert written["required"] == ["app", "component"]


def test_every_table_is_closed_and_every_key_is_described() -> None:
    for table in tables(schema.json_schema()):
        assert table["additionalProperties"] is False
        assert table["description"]
        for key, field in table["properties"].items():
            assert field.get("description", "").endswith("."), key


def test_there_is_no_null_in_toml_nor_in_its_schema() -> None:
    assert "null" not in schema.dumps()


def test_defaults_are_written_as_people_write_them() -> None:
    limits = schema.json_schema()["$defs"]["Limits"]["properties"]

    assert limits["memory"]["default"] == "256MiB"
    assert limits["timeout"]["default"] == "30s"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["schema"]) == 0

    assert json.loads(capsys.readouterr().out) == schema.json_schema()


def test_the_command_writes_it_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "wisp.schema.json"

    assert main.main(["schema", "--output", str(target)]) == 0

    assert json.loads(target.read_text(encoding="utf-8")) == schema.json_schema()
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["schema", "--output", str(tmp_path / "nowhere" / "x.json")]) == 1

    assert "No such file or directory" in capsys.readouterr().err


def test_the_reference_in_the_documentation_is_that_of_the_models() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference.reference(), (
        "run `python -m wisp.manifest.reference > docs/reference/manifest.md`"
    )


def test_the_example_in_the_reference_is_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "rust").mkdir()
    example = reference.reference().split("```toml\n")[1].split("```")[0]

    manifest = loads(example, path=tmp_path / "wisp.toml", profile="debug")

    assert manifest.component["rust"].limits.timeout.total_seconds() == 60
