"""What is wrong with a manifest, in the words of the people who write one.

pydantic says where in the data something is wrong and what kind of wrong it is; here that becomes a place in the
file and a sentence that says what was expected.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from wisp.errors import ManifestError
from wisp.manifest.grants import Grants
from wisp.manifest.models import Component, ComponentOverride, Limits, Manifest
from wisp.manifest.positions import Place, Position
from wisp.manifest.toml import write_key, write_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from wisp.manifest.positions import Path as KeyPath

_TYPES: Final = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)
_TAGS_AFTER_SOURCE: Final = (3, 5)
"""Where the tag stands in `component.NAME.source.TAG` and `profile.NAME.component.NAME.source.TAG`."""

_EXPECTED: Final = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_MESSAGES: Final = {
    "value_error": "{error}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "declare at least one",
    "string_too_short": "must not be empty",
    "literal_error": "must be {expected}",
}


_ELSEWHERE: Final = {
    "allowed_http_hosts": "grants.http",
    "allowed_outbound_hosts": "grants.http",
    "key_value_stores": "grants.keyvalue",
    "sqlite_databases": "grants.sqlite",
    "dependencies": "link",
    "variables": "grants.config",
    **{limit: f"limits.{limit}" for limit in Limits.model_fields},
    **{kind: f"grants.{kind}" for kind in Grants.model_fields if kind != "environment"},
}
"""By what somebody may write into the table of a component, as in Spin's manifest or a level too high: what it is here."""

_ELSEWHERE_AT_TOP: Final = {
    "application": "here that is `[app]`",
    "spin_manifest_version": "a manifest of Spin is called spin.toml, here too",
    "trigger": "here that is `[[http]]`, `[[cron]]` or `[[messaging]]`",
    "variables": "here that is `grants.config` of a component, and `[secrets]`",
}
"""By what Spin has at the top: what it is here."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    path: KeyPath
    """Where in the data; what is missing there is named by the path that it would have."""

    message: str

    on_key: bool = False
    """The key is wrong, not its value."""

    def place(self, places: Mapping[KeyPath, Place]) -> Position:
        """Find the place to point at: the key or the value, or the nearest table around what is missing."""
        path = self.path
        if path in places:
            return places[path].key if self.on_key else places[path].value
        while path and path not in places:
            path = path[:-1]
        return places[path].key if path else Position(1, 1)


def found(
    error: ValidationError,
    data: object,
    *,
    root: type[BaseModel] = Manifest,
    tags: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Turn what pydantic found into problems.

    Args:
        error: What it found.
        data: The document.
        root: The model of the document.
        tags: What pydantic puts into paths although it is not in the document.

    """
    return [_problem(details, data, root, tags) for details in error.errors(include_url=False)]


def manifest_error(path: Path, problems: Iterable[Problem], places: Mapping[KeyPath, Place]) -> ManifestError:
    """Make one error of all problems of a file, in the order of their places; the first is the headline."""
    ordered = sorted({(problem.place(places), dotted(problem.path), problem.message) for problem in problems})
    position, key, _ = ordered[0]
    lines = [
        f"{shown(path)}:{place.line}:{place.column}: {where}: {message}" for place, where, message in ordered
    ]
    return ManifestError("\n".join(lines), path=path, line=position.line, column=position.column, key=key)


def dotted(path: KeyPath) -> str:
    """Write a path as in TOML: `component.rust.limits`, `http[0].route`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{write_key(part)}"
    return text.removeprefix(".")


def shown(path: Path) -> str:
    """Write a file's path as a person would: relative when it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def nearest(name: str, known: Sequence[str], *, what: str) -> str:
    """Propose the known name that is most like this one, or list them."""
    similar = difflib.get_close_matches(name, known, n=1)
    if similar:
        return f"did you mean `{similar[0]}`?"
    if not known:
        return f"there are no {what}"
    return f"the {what} are {', '.join(f'`{key}`' for key in known)}"


def _problem(details: ErrorDetails, data: object, root: type[BaseModel], tags: frozenset[str]) -> Problem:
    kind = details["type"]
    on_key = details["loc"][-1:] == ("[key]",)
    path = _path(details["loc"][:-1] if on_key else details["loc"], data, tags)
    if kind == "extra_forbidden":
        return Problem(path, f"unknown key; {_known(path, root)}", on_key=True)
    if kind == "missing":
        return Problem(path, f"missing; {_missing(path, root)}")
    return Problem(path, _message(details), on_key=on_key)


def _known(path: KeyPath, root: type[BaseModel]) -> str:
    """Say what is written in place of an unknown key."""
    key, around = str(path[-1]), path[:-1]
    if root is Manifest and not around and key in _ELSEWHERE_AT_TOP:
        return _ELSEWHERE_AT_TOP[key]
    if _table(around, root) in (Component, ComponentOverride) and key in _ELSEWHERE:
        return f"here that is `{_ELSEWHERE[key]}`"
    return nearest(key, _keys(around, root), what="keys here")


def _message(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _EXPECTED:
        return (
            f"expected {_EXPECTED[kind]}, found {_found(details['input'])}{_quoted(kind, details['input'])}"
        )
    if kind in _MESSAGES:
        return _MESSAGES[kind].format(**context)
    return details["msg"]


def _found(value: object) -> str:
    return next((words for kind, words in _TYPES if isinstance(value, kind)), "a date or time")


def _quoted(kind: str, value: object) -> str:
    """Show a number or truth value as the string that was meant."""
    return (
        f'; write "{write_value(value)}"' if kind == "string_type" and isinstance(value, int | float) else ""
    )


def _path(location: Sequence[str | int], data: object, tags: frozenset[str]) -> KeyPath:
    """Drop from pydantic's location what is not in the data: tags of unions, the index of what is no array."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        if not isinstance(data, dict | list):
            break
        if index in _TAGS_AFTER_SOURCE and location[index - 1] == "source":
            continue
        if part in tags and (not isinstance(data, dict) or part not in data):
            continue
        path.append(part)
        data = _child(data, part)
    return tuple(path)


def _child(data: object, part: str | int) -> object:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _missing(path: KeyPath, root: type[BaseModel]) -> str:
    model = _table(path[:-1], root)
    field = model.model_fields.get(str(path[-1])) if model else None
    if field is not None and field.examples:
        return f"write `{path[-1]} = {write_value(field.examples[0])}`, for example"
    return f"declare at least one, such as `[{path[-1]}.my-{path[-1]}]`"


def _keys(path: KeyPath, root: type[BaseModel]) -> list[str]:
    model = _table(path, root)
    return list(model.model_fields) if model else []


def _table(path: KeyPath, root: type[BaseModel]) -> type[BaseModel] | None:
    """Find the model of the table at a path."""
    model: type[BaseModel] | None = root
    inside = False
    for part in path:
        if model is None:
            return None
        if inside:
            inside = False
            continue
        annotation = model.model_fields[str(part)].annotation if part in model.model_fields else None
        model = next(iter(_models(annotation)), None)
        inside = _is_collection(annotation)
    return model


def _models(annotation: Any) -> Iterable[type[BaseModel]]:  # noqa: ANN401 - an annotation is anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _is_collection(annotation: Any) -> bool:  # noqa: ANN401 - an annotation is anything
    return getattr(annotation, "__origin__", None) in {dict, tuple}
