"""What each component of an app may do, and why.

Everything is decided by names: what the manifest grants, what the components import, and how the links between them were settled.
So it holds for a manifest of any form, and before anything runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from wisp.manifest import links
from wisp.manifest.capabilities import COMMON, KINDS, PLACEHOLDERS, access
from wisp.manifest.origins import Origins
from wisp.manifest.toml import write_key, write_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wisp.manifest.capabilities import Kind
    from wisp.manifest.grants import Grants
    from wisp.manifest.links import Link, Plan
    from wisp.manifest.models import Component, Manifest
    from wisp.manifest.positions import Position
    from wisp.native import Interfaces

Source: TypeAlias = Literal["manifest", "host"]


@dataclass(frozen=True, slots=True)
class Granted:
    """One thing that a component may use."""

    kind: Kind
    value: object
    """As the manifest could write it, on one line; of a variable, only its name."""

    origin: Position | None
    """Where the manifest says so."""

    used_by: tuple[str, ...]
    """The imports that it is for; none means that nothing can use it."""

    source: Source = "manifest"
    """Of a variable: whose value it is."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """An import that the component may not use."""

    interface: str
    kind: Kind | None
    """What it would need; None where no grant gives it on this host."""


@dataclass(frozen=True, slots=True)
class Linked:
    """An import that another component answers, or an address where it does."""

    link: Link
    origin: Position | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit that is not the default."""

    key: str
    value: object
    default: object
    origin: Position | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one component may do."""

    name: str
    routes: tuple[str, ...]
    schedules: tuple[str, ...]
    subjects: tuple[str, ...]
    """Which messages it takes."""

    inside: tuple[str, ...]
    """The components that it is fused into: their limits hold, not its own."""

    granted: tuple[Granted, ...]
    lacking: tuple[Lacking, ...]
    links: tuple[Linked, ...]
    bounds: tuple[Bound, ...]

    @property
    def unused(self) -> tuple[Granted, ...]:
        """What is granted in vain."""
        return tuple(granted for granted in self.granted if not granted.used_by)


def explain(
    manifest: Manifest, found: Mapping[str, Interfaces], plan: Plan, *, profile: str | None = None
) -> list[Explanation]:
    """Explain all components of an app.

    Args:
        manifest: With its profile applied.
        found: By component: what it imports and exports.
        plan: How the links were settled.
        profile: The profile that was applied, where places are looked for first.

    """
    origins = Origins(manifest, profile)
    return [_explained(manifest, name, found[name], plan, origins) for name in manifest.component]


def needs(component: Component, explanation: Explanation) -> str:
    """Write the smallest grants that a component needs, as far as its imports tell, as TOML."""
    written = component.grants.written()
    used = {granted.kind for granted in explanation.granted if granted.used_by}
    wanted = {lacking.kind for lacking in explanation.lacking}
    lines = [f"[component.{write_key(explanation.name)}.grants]"]
    lines += [f"{kind} = {write_value(written[kind])}" for kind in KINDS if kind in used & written.keys()]
    lines += [PLACEHOLDERS[kind] for kind in KINDS if kind in wanted - COMMON]
    if common := [PLACEHOLDERS[kind] for kind in KINDS if kind in wanted & COMMON]:
        lines += ["# What most standard libraries import, whether or not the program uses it:"]
        lines += [f"# {line}" for line in common]
    return "\n".join([*lines, ""])


def _explained(manifest: Manifest, name: str, sides: Interfaces, plan: Plan, origins: Origins) -> Explanation:
    component = manifest.component[name]
    made = plan.links.get(name, ())
    uses = _uses(sides, made)
    found = _granted(name, component, uses, origins)
    granted = tuple(sorted(found, key=lambda one: KINDS.index(one.kind)))
    return Explanation(
        name=name,
        routes=tuple(trigger.route for trigger in manifest.http if trigger.component == name),
        schedules=tuple(
            f"{cron.schedule} {cron.timezone}" for cron in manifest.cron if cron.component == name
        ),
        subjects=tuple(one.subject for one in manifest.messaging if one.component == name),
        inside=tuple(entry for entry, group in plan.groups.items() if name in group.parts and name != entry),
        granted=granted,
        lacking=tuple(_lacking(uses, {one.kind for one in granted}, made)),
        links=tuple(Linked(link, origins.of(name, "link", link.follows or link.interface)) for link in made),
        bounds=tuple(_bounds(name, component, origins)),
    )


def _uses(sides: Interfaces, made: tuple[Link, ...]) -> dict[str, str]:
    """Return what each import asks for that the host must answer."""
    answered = {link.interface for link in made}
    wanted = [name for name in sides.imports if name in sides.needed and name not in answered]
    return {name: access(name) for name in wanted}


def _granted(name: str, component: Component, uses: Mapping[str, str], origins: Origins) -> Iterator[Granted]:
    for kind, value, keys in _written(component.grants):
        used_by = tuple(interface for interface, asked in uses.items() if asked == kind)
        source: Source = "host" if kind == "environment" else "manifest"
        yield Granted(kind, value, origins.of(name, "grants", *keys), used_by, source)
    for variable in component.environment:
        used_by = tuple(interface for interface, asked in uses.items() if asked == "environment")
        yield Granted("environment", variable, origins.of(name, "environment", variable), used_by)


def _written(grants: Grants) -> Iterator[tuple[Kind, object, tuple[str | int, ...]]]:
    """List each thing that is granted, with where in the table of grants it stands."""
    for key, value in grants.written().items():
        kind = cast("Kind", key)
        if isinstance(value, dict):
            yield from ((kind, {name: one}, (key, name)) for name, one in value.items())
        else:
            yield from (
                (kind, one, (key, index)) for index, one in enumerate(cast("tuple[object, ...]", value))
            )


def _lacking(uses: Mapping[str, str], kinds: set[Kind], made: tuple[Link, ...]) -> Iterator[Lacking]:
    has_peers = any(links.is_peer(link.interface) for link in made)
    for interface, asked in uses.items():
        if asked == "absent":
            yield Lacking(interface, None)
        elif asked != "free" and asked not in kinds and not (asked == "http" and has_peers):
            yield Lacking(interface, cast("Kind", asked))


def _bounds(name: str, component: Component, origins: Origins) -> Iterator[Bound]:
    for table in ("limits", "instances"):
        model = getattr(component, table)
        values, defaults = model.model_dump(mode="json"), type(model)().model_dump(mode="json")
        for key, value in values.items():
            if value != defaults[key]:
                yield Bound(f"{table}.{key}", value, defaults[key], origins.of(name, table, key))
