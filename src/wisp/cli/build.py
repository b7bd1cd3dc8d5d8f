"""`wisp build`: builds the components of an app, and keeps them in the cache."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.assemble import BuiltApp, build_app
from wisp.cli.parser import add_app, add_registries
from wisp.cli.prepared import PreparedComponent, PrepareOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp build`."""
    add_app(parser, "the app: a folder with a wisp.toml, or with one component (default: this folder)")
    parser.add_argument("components", nargs="*", metavar="COMPONENT", help="build only these (default: all)")
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--release", action="store_true", help="build for speed (the default)")
    mode.add_argument("--dev", action="store_true", help="build quickly instead")
    parser.add_argument("--locked", action="store_true", help="fail rather than change wisp.lock")
    parser.add_argument(
        "--open-imports",
        action="store_true",
        help="allow imports that nothing answers: the program that loads the app gives them",
    )
    parser.add_argument(
        "--update", action="store_true", help="ask registries again what the tags of `oci://` sources mean"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print what came out."""
    options = PrepareOptions(
        profile=arguments.profile,
        release=not arguments.dev,
        locked=arguments.locked,
        components=tuple(arguments.components),
        open_imports=arguments.open_imports,
        insecure=tuple(arguments.insecure),
        authority=arguments.ca,
        policy=arguments.policy,
        update=arguments.update,
    )
    progress = output.Progress()
    try:
        app = asyncio.run(build_app(arguments.path, options, progress.report))
    finally:
        progress.close()
    if arguments.json:
        print(json.dumps(_document(app), indent=2))
    else:
        print("\n".join(output.columns(_rows(app.components), indent=0)))
        if app.links:
            print("\n".join(["", *output.columns(output.link_rows(app.links), indent=0)]))
    return 0


def _rows(components: tuple[PreparedComponent, ...]) -> Iterator[tuple[str, ...]]:
    for component in components:
        verb, colour = _outcome(component)
        # Colours have no width, so the cell is as wide as the widest word before it is painted.
        cell = output.paint(f"{verb:9}", colour, stream=sys.stdout)
        took = output.duration(component.seconds)
        yield (
            cell,
            component.name,
            component.language or "",
            took,
            output.size(component.size),
            component.digest,
        )


def _outcome(component: PreparedComponent) -> tuple[str, str]:
    if component.language:
        return ("unchanged", "dim") if component.cached else ("built", "green")
    return ("stored", "dim") if component.cached else ("fetched", "green")


def _document(app: BuiltApp) -> dict[str, object]:
    return {
        "app": app.manifest.app.name,
        "version": app.manifest.app.version,
        "components": {
            component.name: {
                "digest": component.digest,
                "size": component.size,
                "path": str(app.paths[component.name]),
                "language": component.language,
                "cached": component.cached,
                "seconds": round(component.seconds, 3),
            }
            for component in app.components
        },
        "links": [asdict(link) for link in app.links],
    }
