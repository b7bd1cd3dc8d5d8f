"""An app without some of its triggers: what else nobody calls on a host goes with them, because workers refuse what serves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wisp.host.settings import JsonObject


def without(told: JsonObject, kinds: Sequence[str]) -> JsonObject:
    """Return an app as workers are told it, without triggers of these kinds, and without the components that only these reach."""
    gone = {one["component"] for kind in kinds for one in _triggers(told, kind)}
    others = {key for key, value in told.items() if isinstance(value, list)} - set(kinds)
    reached = {one["component"] for kind in others for one in _triggers(told, kind)}
    components = cast("Mapping[str, Mapping[str, Any]]", told["components"])
    wanted = [
        name for name, one in components.items() if name in reached or name not in gone or one.get("offers")
    ]
    for name in wanted:
        links = components[name]["links"].values()
        near = [link["component"] for link in links if link.get("app") is None]
        wanted += [callee for callee in near if callee in components and callee not in wanted]
    kept = {name: one for name, one in components.items() if name in set(wanted)}
    return {**told, **{kind: [] for kind in kinds if kind in told}, "components": kept}


def _triggers(told: JsonObject, kind: str) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", told.get(kind, ()))
