"""`wisp explain`: what each component of an app may do, and which line of the manifest says so."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.errors import ManifestError
from wisp.manifest import explain
from wisp.manifest.capabilities import COMMON, PLACEHOLDERS
from wisp.manifest.toml import write_key, write_value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from wisp.cli.assemble import BuiltApp
    from wisp.manifest.explain import Explanation, Granted, Lacking
    from wisp.manifest.positions import Position


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp explain`."""
    parser.add_argument(
        "component", nargs="?", metavar="COMPONENT", help="explain only this one (default: all)"
    )
    parser.add_argument(
        "--app",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the app: a folder with a wisp.toml, or a .wasm file; it is built first (default: this folder)",
    )
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--needs",
        action="store_true",
        help="print the smallest grants that it needs, as far as its imports tell, to be pasted into the manifest;"
        " fill in what stands as `...`",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, explain, and print."""
    app = _build(arguments.app, arguments.profile)
    explanations = _explanations(app, arguments.component, arguments.profile)
    if arguments.json:
        print(json.dumps(_document(app, explanations), indent=2))
    elif arguments.needs:
        components = app.manifest.component
        print("\n".join(explain.needs(components[one.name], one) for one in explanations), end="")
    else:
        file = output.short(app.manifest.path)
        print("\n".join(line for one in explanations for line in (*_text(one, file), ""))[:-1])
    return 0


def _build(path: Path, profile: str | None) -> BuiltApp:
    from wisp.cli.assemble import build_app  # noqa: PLC0415 - slow to import
    from wisp.cli.prepared import PrepareOptions  # noqa: PLC0415

    progress = output.Progress()
    try:
        return asyncio.run(build_app(path, PrepareOptions(profile=profile), progress.report))
    finally:
        progress.close()


def _explanations(app: BuiltApp, wanted: str | None, profile: str | None) -> list[Explanation]:
    manifest, plan = app.manifest, app.linked.plan
    if wanted is not None and wanted not in manifest.component:
        message = f"{output.short(manifest.path)} has no component {wanted}"
        raise ManifestError(message, hint=f"it has {', '.join(manifest.component)}", path=manifest.path)
    if plan is None:
        message = "the links of the app were not settled"
        raise AssertionError(message)
    found = {name: native.interfaces(name, path.read_bytes()) for name, path in app.paths.items()}
    every = explain.explain(manifest, found, plan, profile=profile)
    return [one for one in every if wanted in {None, one.name}]


def _text(one: Explanation, file: str) -> Iterator[str]:
    triggers = [f"serves {', '.join(one.routes)}"] if one.routes else []
    triggers += [f"runs at {', '.join(one.schedules)}"] if one.schedules else []
    yield "  ".join([output.paint(one.name, "bold", stream=sys.stdout), *triggers])
    if one.inside:
        yield f"  fused into {', '.join(one.inside)}, whose limits hold"
    used = [granted for granted in one.granted if granted.used_by]
    yield from _section(
        "may use", [(granted.kind, _value(granted), _at(granted.origin, file)) for granted in used]
    )
    linked = [
        (
            made.link.interface,
            f"-> {made.link.provider}",
            f"{made.link.mode}: {made.link.reason}",
            _at(made.origin, file),
        )
        for made in one.links
    ]
    yield from _section("is linked", linked)
    certain = [lacking for lacking in one.lacking if lacking.kind not in COMMON]
    common = [lacking for lacking in one.lacking if lacking.kind in COMMON]
    yield from _section("imports, but may not use", _lacks(certain))
    yield from _section("imports, as most standard libraries do, but may not use", _lacks(common))
    unused = [(granted.kind, _value(granted), _at(granted.origin, file)) for granted in one.unused]
    warning = output.paint("warning:", "yellow", stream=sys.stdout)
    yield from _section(f"{warning} is granted, but imports nothing that uses it", unused)
    bounds = [
        (bound.key, f"{bound.value} instead of {bound.default}", _at(bound.origin, file))
        for bound in one.bounds
    ]
    yield from _section("has limits of its own", bounds)


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"  {title}:", *output.columns(rows, indent=4)] if rows else []


def _value(granted: Granted) -> str:
    if granted.kind == "environment":
        whose = "of the host" if granted.source == "host" else "set by the manifest"
        return f"{granted.value} ({whose})"
    if granted.kind == "config" and isinstance(granted.value, dict):
        return ", ".join(f"{write_key(key)} = {write_value(value)}" for key, value in granted.value.items())
    return granted.value if isinstance(granted.value, str) else write_value(granted.value)


def _lacks(lacking: Sequence[Lacking]) -> list[tuple[str, str]]:
    absent = "no grant gives it: this host does not have it"
    return [(one.interface, f"needs {PLACEHOLDERS[one.kind]}" if one.kind else absent) for one in lacking]


def _at(origin: Position | None, file: str) -> str:
    return file if origin is None else f"{file}:{origin.line}"


def _document(app: BuiltApp, explanations: Sequence[Explanation]) -> dict[str, object]:
    return {
        "app": app.manifest.app.name,
        "manifest": str(app.manifest.path),
        "components": {one.name: _data(one) for one in explanations},
    }


def _data(one: Explanation) -> dict[str, object]:
    return {
        "routes": list(one.routes),
        "schedules": list(one.schedules),
        "fused_into": list(one.inside),
        "granted": [
            {
                "kind": granted.kind,
                "value": granted.value,
                "from": granted.source,
                "used_by": list(granted.used_by),
                **_place(granted.origin),
            }
            for granted in one.granted
        ],
        "lacking": [
            {
                "import": lacking.interface,
                "kind": lacking.kind,
                "grant": PLACEHOLDERS[lacking.kind] if lacking.kind else None,
            }
            for lacking in one.lacking
        ],
        "links": [
            {
                "interface": made.link.interface,
                "component": made.link.provider,
                "mode": made.link.mode,
                "reason": made.link.reason,
                **_place(made.origin),
            }
            for made in one.links
        ],
        "limits": [
            {"key": bound.key, "value": bound.value, "default": bound.default, **_place(bound.origin)}
            for bound in one.bounds
        ],
    }


def _place(origin: Position | None) -> dict[str, int | None]:
    return {"line": origin.line, "column": origin.column} if origin else {"line": None, "column": None}
