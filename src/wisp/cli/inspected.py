"""What `wisp inspect` found out: one file, or the components of an app, and how these are linked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.errors import ComponentError
from wisp.wit import read
from wisp.wit.model import Definition, Function, Interface

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.cli.prepared import PreparedLink
    from wisp.native import ComponentInfo
    from wisp.wit.model import Item, Wit


@dataclass(frozen=True, slots=True)
class Part:
    """One file."""

    name: str
    path: Path
    size: int
    info: ComponentInfo
    wit: Wit | None
    """None for what is no component."""

    language: str | None = None
    routes: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    """When it runs: each a schedule and its zone."""

    subjects: tuple[str, ...] = ()
    """Which messages it takes."""

    links: tuple[PreparedLink, ...] = ()
    """Its imports that other components of the app answer."""

    @property
    def imports(self) -> Mapping[str, Item | None]:
        """By name; None where there is no WIT that would describe it."""
        if self.wit is None or self.wit.world is None:
            return dict.fromkeys(self.info.imports)
        return self.wit.world.imports

    @property
    def exports(self) -> Mapping[str, Item | None]:
        """By name; None where there is no WIT that would describe it."""
        if self.wit is None or self.wit.world is None:
            return dict.fromkeys(self.info.exports)
        return self.wit.world.exports


def look(path: Path, profile: str | None) -> tuple[str, list[Part]]:
    """Inspect a file, or build an app and inspect its components; gives its name too.

    Raises:
        WispError: it is neither, or the app does not build.

    """
    if path.is_file() and path.suffix != ".toml":
        return path.name, [_part(path.name, path)]
    return _app(path, profile)


def functions(item: Item | None) -> list[str]:
    """Return what can be called in an interface, each with its signature; of a type, what kind of type it is."""
    if isinstance(item, Interface):
        return [str(function) for function in item.functions.values()]
    if isinstance(item, Function):
        return [item.signature]
    return [item.kind] if isinstance(item, Definition) else []


def _part(name: str, path: Path) -> Part:
    content = path.read_bytes()
    info = native.inspect(content)
    if info.kind == "unknown":
        message = f"{output.short(path)} is not a WebAssembly file"
        raise ComponentError(message, path=path, hint="`wisp inspect` takes a .wasm file or an app")
    wit = read.decode(content) if info.kind == "component" else None
    return Part(name, path, len(content), info, wit)


def _app(path: Path, profile: str | None) -> tuple[str, list[Part]]:
    from wisp.cli.assemble import build_app  # noqa: PLC0415 - slow to import
    from wisp.cli.prepared import PrepareOptions  # noqa: PLC0415 - only for apps

    progress = output.Progress()
    try:
        app = asyncio.run(build_app(path, PrepareOptions(profile=profile), progress.report))
    finally:
        progress.close()
    parts = []
    for component in app.components:
        part = replace(
            _part(component.name, app.paths[component.name]),
            language=component.language,
            routes=tuple(
                trigger.route for trigger in app.manifest.http if trigger.component == component.name
            ),
            schedules=tuple(
                f"{cron.schedule} {cron.timezone}"
                for cron in app.manifest.cron
                if cron.component == component.name
            ),
            subjects=tuple(one.subject for one in app.manifest.messaging if one.component == component.name),
            links=tuple(link for link in app.links if link.component == component.name),
        )
        parts.append(part)
    return app.manifest.app.name, parts
