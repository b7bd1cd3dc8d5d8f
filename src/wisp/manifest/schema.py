"""The JSON Schema of `wisp.toml`, by which editors complete and check it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from wisp.manifest.models import Manifest

if TYPE_CHECKING:
    from pydantic_core import core_schema

SCHEMA_ID: Final = "urn:wisp:schema:manifest:1"
"""Names the schema; it changes when a manifest of before would no longer be valid."""

_LINE_BREAK: Final = re.compile(r"(?<!\n)\n(?!\n)")


class TomlSchema(GenerateJsonSchema):
    """Writes a schema for TOML, which has no null: what may be None in the models may be left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Offer the value only."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out defaults that say nothing: no value, and tables whose own keys have their defaults."""
        written = super().default_schema(schema)
        shown = schema["schema"].get("serialization", {})
        if shown.get("type") == "function-plain":
            written["default"] = shown["function"](schema["default"])
        if written.get("default") is None or isinstance(written["default"], dict):
            written.pop("default", None)
        return written

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Refuse names that are not as names must be."""
        written = super().dict_schema(schema)
        if "patternProperties" in written:
            written["additionalProperties"] = False
        return written

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Let each paragraph of a description be one line."""
        written = super().model_schema(schema)
        written["description"] = _LINE_BREAK.sub(" ", written["description"])
        return written


def json_schema() -> dict[str, Any]:
    """Return the schema of the manifest, draft 2020-12."""
    schema = Manifest.model_json_schema(schema_generator=TomlSchema)
    return {"$schema": TomlSchema.schema_dialect, "$id": SCHEMA_ID, **schema}


def dumps() -> str:
    """Write the schema as text, ending with a new line."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
