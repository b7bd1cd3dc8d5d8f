"""The grants that a run has shown to be needed: those that there are, and what was refused or missing, as a table of the manifest.

What a guest asked for is text that it chose. So nothing of it is copied: each grant that the host proposes is read, checked as a
manifest's would be, and written anew.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from wisp.manifest.grants import Grants
from wisp.manifest.toml import write_key, write_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAMES: Final = {"http": "to", "files": "mount"}
"""By grant whose elements may be tables: the key that tells them apart."""


@dataclass(frozen=True, slots=True)
class Denied:
    """One thing that a component asked for and did not get."""

    component: str
    interface: str
    target: str
    grant: str
    """What would give it, as a line of TOML."""

    count: int
    table: str = "grants"
    """The table of the component that the line belongs to."""

    missed: bool = False
    """Whether it was not refused, but has no value."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what a worker tells."""
        return cls(
            value["component"],
            value["import"],
            value["target"],
            value["grant"],
            value["count"],
            table=value["table"],
            missed=value["missed"],
        )


def learn(granted: Mapping[str, Grants], denied: Iterable[Denied]) -> str:
    """Write a table of grants for each component that did not get something; no text if there is none.

    Args:
        granted: By component, what it may use already.
        denied: What was asked for and not given.

    """
    by_component: dict[str, list[Denied]] = {}
    for one in denied:
        by_component.setdefault(one.component, []).append(one)
    tables = [_table(name, granted.get(name, Grants()), by_component[name]) for name in sorted(by_component)]
    return "\n".join(tables)


def merged(granted: Grants, grant: str) -> Grants | None:
    """Return the grants with one more line; None if the line grants nothing that a manifest could.

    Something that is granted already, but not in this way, is granted in both: a folder that may be read may then be written, too.
    """
    try:
        asked = Grants.model_validate(tomllib.loads(grant))
        whole: dict[str, object] = {**granted.written()}
        for kind, value in asked.written().items():
            whole[kind] = _both(kind, whole.get(kind), value)
        return Grants.model_validate(whole)
    except (ValidationError, ValueError):
        return None


def _both(kind: str, present: Any, more: Any) -> object:  # noqa: ANN401 - values of TOML
    """Put two values of a key together; where both say something of one thing, what is granted already stays as it is."""
    if isinstance(more, dict):
        return {**more, **(present or {})}
    name = _NAMES.get(kind)
    elements: dict[str, object] = {}
    for element in (*(present or ()), *more):
        if name is None:
            elements[element] = element
        else:
            table = element if isinstance(element, dict) else {name: element}
            elements[table[name]] = {**table, **elements.get(table[name], {})}  # type: ignore[dict-item]
    return tuple(elements.values())


def _table(name: str, granted: Grants, denied: Sequence[Denied]) -> str:
    lines = [f"[component.{write_key(name)}.grants]"]
    for one in sorted(denied, key=lambda one: (one.interface, one.target)):
        whole = merged(granted, one.grant) if one.table == "grants" else None
        lines.append(f"# {_shown(_told(one, hinted=whole is None))}")
        granted = whole or granted
    written = granted.written()
    lines += [_shown(f"{key} = {write_value(value)}") for key, value in written.items()]
    return "\n".join([*lines, ""])


def _told(one: Denied, *, hinted: bool) -> str:
    """Say what was asked for, and, when the table does not have it, what is to be done."""
    times = "once" if one.count == 1 else f"{one.count} times"
    how = f"asked for {times}, and not there" if one.missed else f"refused {times}"
    return f"{how}: {one.interface} for {one.target}{_hint(one) if hinted else ''}"


def _hint(one: Denied) -> str:
    """Say of a line that grants nothing yet what is to be done with it."""
    if one.table != "grants":
        return f"; add {one.grant} to [component.{write_key(one.component)}.{one.table}]"
    return f"; say where, in {one.grant}" if "..." in one.grant else "; no grant would allow it"


def _shown(text: str) -> str:
    """Return a comment or a value of TOML without what would end it, steer a terminal, or be read as something else."""
    return "".join(character if character.isprintable() else f"\\U{ord(character):08x}" for character in text)
