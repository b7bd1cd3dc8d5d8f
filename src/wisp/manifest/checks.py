"""What needs two tables of a manifest to judge: references, routes that clash, profiles, files that are not there.

The first three look at the data as it was read and judge those parts that are valid by themselves, so that a typing
error in one table does not hide a dangling reference in another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from wisp.manifest import copies
from wisp.manifest.models import RemoteSource
from wisp.manifest.problems import Problem, nearest
from wisp.manifest.references import Reference
from wisp.manifest.routes import parse_route
from wisp.manifest.triggers import HttpTrigger
from wisp.manifest.values import PEER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wisp.manifest.grants import FileGrant
    from wisp.manifest.models import Component, Manifest
    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.positions import Place


def check(data: Mapping[str, Any], places: Mapping[KeyPath, Place]) -> Iterator[Problem]:
    """Find dangling references and clashing routes."""
    components = _table(data.get("component"))
    triggers = list(_triggers(data))
    yield from _unknown_components(
        "http", [(index, trigger.component) for index, trigger in triggers if trigger.component], components
    )
    yield from _unknown_components("cron", list(_scheduled(data)), components)
    yield from _equal_schedules(data, places)
    yield from _equal_routes(triggers, places)
    yield from _unknown_overrides(_table(data.get("profile")), components)
    yield from _wrong_links(components)


def check_sources(manifest: Manifest) -> Iterator[Problem]:
    """Find components whose source is not there, or whose build cannot be meant."""
    for name, component in manifest.component.items():
        try:
            complaint = _source_complaint(manifest.local_source(name), component)
        except OSError as error:
            complaint = f"cannot be looked for: {error.strerror}"
        if complaint is not None:
            yield Problem(("component", name, "source"), complaint)
        yield from _build_complaints(name, component)
        yield from _file_complaints(manifest.folder, name, component)


def _source_complaint(source: Path | None, component: Component) -> str | None:
    if source is None:
        return None
    if source.suffix == ".wasm":
        # The command may be what makes it.
        is_there = component.build.command is not None or source.is_file()
        return None if is_there else f'there is no file "{component.source}"'
    if source.is_dir():
        return None
    if source.exists():
        return f'"{component.source}" is neither a folder nor a `.wasm` file'
    return f'there is no folder "{component.source}"'


def _build_complaints(name: str, component: Component) -> Iterator[Problem]:
    if not isinstance(component.source, str):
        if component.build.model_fields_set:
            yield Problem(("component", name, "build"), "a component that is fetched is not built")
    elif component.build.command is None:
        for key in sorted(component.build.model_fields_set & {"output", "workdir"}):
            yield Problem(("component", name, "build", key), "says nothing without a `command`", on_key=True)


def _file_complaints(folder: Path, name: str, component: Component) -> Iterator[Problem]:
    path: KeyPath = ("component", name, "grants")
    for index, granted in enumerate(component.grants.files):
        if granted.source is None:
            yield from _copy_complaints(folder, (*path, "files", index), granted)
            continue
        source = folder / granted.source
        if not source.is_dir():
            what = "is not a folder" if source.exists() else "is not there"
            yield Problem((*path, "files", index, "source"), f'the folder "{granted.source}" {what}')
    for index, http in enumerate(component.grants.http):
        for key in ("roots", "certificate", "key"):
            file = getattr(http, key)
            if file is not None and not (folder / file).is_file():
                yield Problem((*path, "http", index, key), f'there is no file "{file}"')


def _copy_complaints(folder: Path, path: KeyPath, granted: FileGrant) -> Iterator[Problem]:
    try:
        copies.files(folder, granted)
    except ValueError as error:
        yield Problem((*path, "include"), str(error))


def remote_sources(manifest: Manifest) -> Iterator[RemoteSource]:
    """Find every component that is fetched, in whatever profile."""
    for source in _sources(manifest):
        if isinstance(source, RemoteSource):
            yield source


def registry_sources(manifest: Manifest) -> Iterator[Reference]:
    """Find every component that comes from an OCI registry, in whatever profile."""
    for source in _sources(manifest):
        if isinstance(source, Reference):
            yield source


def local_sources(manifest: Manifest) -> Iterator[str]:
    """Find every source on this machine as it is written, in whatever profile."""
    for source in _sources(manifest):
        if isinstance(source, str):
            yield source


def _sources(manifest: Manifest) -> Iterator[str | RemoteSource | Reference | None]:
    yield from (component.source for component in manifest.component.values())
    for profile in manifest.profile.values():
        yield from (override.source for override in profile.component.values())


def _triggers(data: Mapping[str, Any]) -> Iterator[tuple[int, HttpTrigger]]:
    triggers = data.get("http")
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else []):
        try:
            yield index, HttpTrigger.model_validate(trigger)
        except ValidationError:
            # Reported where the whole file is validated.
            continue


def _scheduled(data: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    triggers = data.get("cron")
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else []):
        component = _table(trigger).get("component")
        if isinstance(component, str):
            yield index, component


def _equal_schedules(data: Mapping[str, Any], places: Mapping[KeyPath, Place]) -> Iterator[Problem]:
    first: dict[tuple[str, ...], int] = {}
    for index, component in _scheduled(data):
        table = _table(data["cron"][index])
        key = (component, " ".join(str(table.get("schedule")).split()), str(table.get("timezone", "UTC")))
        if key in first:
            place = places.get(("cron", first[key], "schedule"))
            where = "" if place is None else f", as in line {place.value.line}"
            yield Problem(("cron", index, "schedule"), f"{component} has this schedule already{where}")
        first.setdefault(key, index)


def _unknown_components(
    kind: str, triggers: list[tuple[int, str]], components: Mapping[str, object]
) -> Iterator[Problem]:
    for index, component in triggers:
        if component not in components:
            advice = nearest(component, list(components), what="components")
            yield Problem((kind, index, "component"), f'there is no component "{component}"; {advice}')


def _equal_routes(
    triggers: list[tuple[int, HttpTrigger]], places: Mapping[KeyPath, Place]
) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], int] = {}
    for index, trigger in triggers:
        clashes = [
            (other, key) for key in _matches(trigger) if (other := first.setdefault(key, index)) != index
        ]
        if clashes:
            other, (_, method, host) = clashes[0]
            what = " ".join(filter(None, (method or "any method", f"at {host}" if host else "")))
            line = places["http", other, "route"].value.line
            message = f'"{trigger.route}" matches the same requests ({what}) as the route in line {line}'
            yield Problem(("http", index, "route"), message)


def _matches(trigger: HttpTrigger) -> Iterator[tuple[str, str, str]]:
    """List what a trigger matches; an empty string is any method or any host."""
    shapes = [parse_route(trigger.route).shape]
    if trigger.convention == "spin" and not shapes[0].endswith(("/", "/...")):
        shapes.append(f"{shapes[0]}/")
    for shape in shapes:
        for method in trigger.method or ("",):
            for host in trigger.host or ("",):
                yield shape, method, host


def _unknown_overrides(profiles: Mapping[str, Any], components: Mapping[str, object]) -> Iterator[Problem]:
    for profile, overrides in profiles.items():
        for name in _table(_table(overrides).get("component")):
            if name not in components:
                advice = nearest(name, list(components), what="components")
                path = ("profile", profile, "component", name)
                yield Problem(path, f'there is no component "{name}" to change; {advice}', on_key=True)


def _wrong_links(components: Mapping[str, Any]) -> Iterator[Problem]:
    """Find links that lead nowhere, and circles: a component of a circle could never be made."""
    targets: dict[str, dict[str, str]] = {name: dict(_links(table)) for name, table in components.items()}
    calls = {name: _calls(links) for name, links in targets.items()}
    for name, links in targets.items():
        for interface, target in links.items():
            path: KeyPath = ("component", name, "link", interface)
            if target not in components:
                advice = nearest(target, list(components), what="components")
                yield Problem(path, f'there is no component "{target}"; {advice}')
            elif interface in calls[name] and (circle := _path(calls, target, name)):
                yield Problem(path, f"the links go in a circle: {' -> '.join([name, *circle])}")


def _calls(links: Mapping[str, str]) -> dict[str, str]:
    """Leave out the addresses: requests may go in circles, calls may not."""
    return {name: target for name, target in links.items() if not re.fullmatch(PEER_PATTERN, name)}


def _links(component: object) -> Iterator[tuple[str, str]]:
    """List the links to components of the same app."""
    for interface, link in _table(_table(component).get("link")).items():
        if "app" in _table(link):
            continue
        target = _table(link).get("component") if isinstance(link, dict) else link
        if isinstance(target, str):
            yield interface, target


def _path(targets: Mapping[str, Mapping[str, str]], begin: str, end: str) -> list[str]:
    """Return the components on a way of links, with both its ends; none if there is no way."""
    ways = [[begin]]
    seen = {begin}
    for way in ways:
        if way[-1] == end:
            return way
        for target in targets.get(way[-1], {}).values():
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
