"""The reference of `wisp.toml` for people, made from the models.

python -m wisp.manifest.reference > docs/reference/manifest.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from wisp.manifest.schema import json_schema
from wisp.manifest.toml import write_value
from wisp.manifest.units import DURATION_PATTERN, SIZE_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TABLES: Final = (
    ("App", "[app]"),
    ("HttpTrigger", "[[http]]"),
    ("Response", "[http.response]"),
    ("Cron", "[[cron]]"),
    ("Subscription", "[[messaging]]"),
    ("Secret", "[secrets.NAME]"),
    ("Component", "[component.NAME]"),
    ("RemoteSource", "[component.NAME.source]"),
    ("Build", "[component.NAME.build]"),
    ("Grants", "[component.NAME.grants]"),
    ("HttpGrant", "[component.NAME.grants], an element of `http`"),
    ("FileGrant", "[component.NAME.grants], an element of `files`"),
    ("Included", "[component.NAME.grants], an element of `include` of `files`"),
    ("ConfigValue", "[component.NAME.grants], a value of `config`"),
    ("Limits", "[component.NAME.limits]"),
    ("Instances", "[component.NAME.instances]"),
    ("LinkTarget", "[component.NAME.link]"),
    ("Profile", "[profile.NAME]"),
    ("ComponentOverride", "[profile.NAME.component.NAME]"),
)

_HEAD: Final = """\
<!-- Made from the models by `python -m wisp.manifest.reference`; do not edit. -->

# The manifest: `wisp.toml`

One `wisp.toml` declares one app: its components, what they may use, and which requests go to which of them.

```toml
[app]
name = "polyglot"
version = "0.1.0"

[[http]]
route = "/rust/process"
method = ["POST"]
component = "rust"

[component.rust]
source = "rust"
environment = { GREETING = "hi" }
limits = { memory = "64MiB", timeout = "5s", concurrency = 100, queue = 1000, body = "1MiB" }
instances = { reuse = 1 }

[profile.debug.component.rust]
limits = { timeout = "1m" }
```

A key that is not listed here is an error, and so is a value of another type. All errors of a file are reported
together, each with its line, its column and, for a key that is unknown, the nearest one that is known.
`wisp schema` prints the JSON Schema, by which editors complete and check a manifest.

A component gets nothing that is not written down: no environment, no files, no network.

"""

_TAIL: Final = """\
## Sizes and durations

A size is a string with a unit, `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024), `KB`, `MB`, `GB`, `TB` (powers of
1000), or an integer of bytes. A duration is a string with a unit, `ms`, `s`, `m`, `h`, or an integer of seconds. The
number is whole, and the unit is written exactly so: `"64mb"` is an error that proposes `"64MB"`.

## Routes

| route | matches | does not match |
|---|---|---|
| `/about` | `/about` | `/about/`, `/about/us`, `/About` |
| `/users/:id` | `/users/7` | `/users`, `/users/7/posts` |
| `/users/:id/posts/:post` | `/users/7/posts/1` | |
| `/files/...` | `/files`, `/files/`, `/files/a/b` | `/filesystem` |
| `/...` | everything | |

A parameter's name consists of `a`-`z`, digits, `_` and `-`; it reaches the component as the header
`wisp-param-<name>`, and what `/...` matched as `wisp-path-info`. A path is compared part by part, after
percent-decoding, so text that is not ASCII may be written as it is: `/käse` is `/k%C3%A4se` on the wire. `.` and `..` are not allowed as parts of a route, nor are empty
parts, nor `...` anywhere but at the end.

Two routes are equal, and an error that names both lines, when they match the same paths for the same method and the
same host, whatever their parameters are called. A route for one method beside one for any method is no clash, and
neither is a host beside any host: the more specific wins.

## Profiles

`wisp up --profile NAME` puts the values of `[profile.NAME]` in place of others: tables (`build`, `environment`,
`limits`, `instances`) key by key, everything else as a whole. Nothing is guessed: a profile that the manifest does not
have is an error, and so is one that changes a component which the manifest does not declare.

## The lock file: `wisp.lock`

`wisp.lock` lies beside the manifest and pins what comes from outside: fetched components by address and digest, and the
dependencies that the Python builder resolved, with the hashes of their files. It is sorted and has no times and no
secrets in it, so the same inputs give the same bytes; it covers all profiles. Keep it in version control. An app that takes nothing
from outside has none. With `--locked`, a lock file that would have to change is an error that says what would change.
"""


def reference() -> str:
    """Write the reference, in Markdown."""
    tables = json_schema()["$defs"]
    sections = (_section(title, tables[name]) for name, title in _TABLES)
    return _HEAD + "".join(sections) + _TAIL


def _section(title: str, table: Mapping[str, Any]) -> str:
    rows = "".join(_rows(table))
    return (
        f"## `{title}`\n\n{table['description']}\n\n| key | value | default | |\n|---|---|---|---|\n{rows}\n"
    )


def _rows(table: Mapping[str, Any]) -> Iterator[str]:
    required = table.get("required", ())
    for key, field in table["properties"].items():
        default = "required" if key in required else _default(field)
        description = field["description"]
        if "examples" in field:
            examples = ", ".join(f"`{write_value(example)}`" for example in field["examples"])
            description += f" Example: {examples}"
        yield f"| `{key}` | {_kind(field)} | {default} | {description.replace('|', chr(92) + '|')} |\n"


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field or field["default"] in ([], ""):
        return ""
    return f"`{write_value(field['default'])}`"


def _kind(field: Mapping[str, Any]) -> str:
    """Say in words what a value is."""
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        patterns = [choice.get("pattern") for choice in choices]
        if SIZE_PATTERN in patterns:
            return "size"
        return "duration" if DURATION_PATTERN in patterns else " or ".join(dict.fromkeys(map(_kind, choices)))
    if "$ref" in field:
        return "table"
    if field["type"] == "array":
        return f"array of {_kind(field['items'])}s"
    return "table" if field["type"] == "object" else str(field["type"])


if __name__ == "__main__":
    sys.stdout.write(reference())
