"""`wisp inspect`: what a WebAssembly file, or each component of an app, imports, exports and is made of."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.errors import ComponentError
from wisp.wit import graph, read
from wisp.wit.model import Definition, Function, Interface

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from wisp.native import ComponentInfo
    from wisp.wit.model import Item, Wit

_HTTP = "wasi:http/"


@dataclass(frozen=True, slots=True)
class Link:
    """An import that another component of the app answers."""

    interface: str
    component: str
    mode: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of the tree, with what is below it."""

    title: str
    below: tuple[Branch, ...] = ()


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
    links: tuple[Link, ...] = field(default=())


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp inspect`."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="a WebAssembly file, or an app, which is built first (default: the app in this folder)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--wit", action="store_true", help="print the WIT")
    form.add_argument("--graph", choices=["svg"], metavar="FORMAT", help="draw a picture: svg")
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")


def run(arguments: argparse.Namespace) -> int:
    """Look, and print."""
    path: Path = arguments.path
    parts = (
        [_part(path.name, path)]
        if path.is_file() and path.suffix != ".toml"
        else _app(path, arguments.profile)
    )
    if arguments.json:
        print(json.dumps([_data(part) for part in parts], indent=2))
    elif arguments.wit:
        print("\n".join(_wit(part) for part in parts), end="")
    elif arguments.graph:
        sys.stdout.write(graph.svg(*_picture(parts)))
    else:
        print("\n".join(line for part in parts for line in _tree(part)))
    return 0


def _part(name: str, path: Path) -> Part:
    content = path.read_bytes()
    info = native.inspect(content)
    if info.kind == "unknown":
        message = f"{output.short(path)} is not a WebAssembly file"
        raise ComponentError(message, path=path, hint="`wisp inspect` takes a .wasm file or an app")
    wit = read.decode(content) if info.kind == "component" else None
    return Part(name, path, len(content), info, wit)


def _app(path: Path, profile: str | None) -> list[Part]:
    """Build an app, and look at its components."""
    from dataclasses import replace  # noqa: PLC0415 - only for apps

    from wisp.cli.assemble import build_app  # noqa: PLC0415 - slow to import
    from wisp.cli.prepared import PrepareOptions  # noqa: PLC0415 - only for apps

    progress = output.Progress()
    try:
        app = asyncio.run(build_app(path, PrepareOptions(profile=profile), progress.report))
    finally:
        progress.close()
    parts = []
    for component in app.components:
        routes = tuple(trigger.route for trigger in app.manifest.http if trigger.component == component.name)
        links = tuple(
            Link(link.interface, link.provider, link.mode)
            for link in app.links
            if link.component == component.name
        )
        part = _part(component.name, app.paths[component.name])
        parts.append(replace(part, language=component.language, routes=routes, links=links))
    return parts


def _wit(part: Part) -> str:
    if part.wit is None:
        message = f"{part.name} is a core module, which has no WIT"
        raise ComponentError(message, path=part.path)
    return part.wit.package.text.replace(
        "package root:component;", f"// {part.name}\npackage root:component;", 1
    )


def _data(part: Part) -> dict[str, object]:
    links = {link.interface: link for link in part.links}
    imports, exports = _items(part)
    return {
        "name": part.name,
        "path": str(part.path),
        "size": part.size,
        "kind": part.info.kind,
        "profile": part.info.profile,
        "http": part.info.http,
        "command": part.info.command,
        "language": part.language,
        "producers": {key: list(names) for key, names in part.info.producers.items()},
        "resources": asdict(part.info.resources),
        "routes": list(part.routes),
        "imports": {
            name: {"items": _below(item), "link": asdict(links[name]) if name in links else None}
            for name, item in imports.items()
        },
        "exports": {name: {"items": _below(item)} for name, item in exports.items()},
    }


def _items(part: Part) -> tuple[Mapping[str, Item | None], Mapping[str, Item | None]]:
    if part.wit is None or part.wit.world is None:
        return dict.fromkeys(part.info.imports), dict.fromkeys(part.info.exports)
    return part.wit.world.imports, part.wit.world.exports


def _tree(part: Part) -> Iterator[str]:
    facts = [part.info.kind, output.size(part.size)]
    facts += [part.language] if part.language else []
    facts += [f"serves HTTP (wasi:http {part.info.http})"] if part.info.http else []
    facts += [f"is a command ({part.info.command})"] if part.info.command else []
    yield f"{output.paint(part.name, 'bold', stream=sys.stdout)}  {', '.join(facts)}"
    yield from _branches(list(_groups(part)))


def _groups(part: Part) -> Iterator[Branch]:
    imports, exports = _items(part)
    links = {link.interface: f"  -> {link.component} ({link.mode})" for link in part.links}
    if part.routes:
        yield Branch("routes", tuple(map(Branch, part.routes)))
    yield Branch(
        "exports", tuple(Branch(name, tuple(map(Branch, _below(item)))) for name, item in exports.items())
    )
    yield Branch("imports", tuple(Branch(f"{name}{links.get(name, '')}") for name in imports))
    made = [f"{key}: {', '.join(names)}" for key, names in part.info.producers.items() if names]
    resources = part.info.resources
    made.append(
        f"core instances: {resources.core_instances}, memories: {resources.memories}, tables: {resources.tables}"
    )
    yield Branch("made of", tuple(map(Branch, made)))


def _below(item: Item | None) -> list[str]:
    if isinstance(item, Interface):
        return [str(function) for function in item.functions.values()]
    if isinstance(item, Function):
        return [item.signature]
    return [item.kind] if isinstance(item, Definition) else []


def _branches(branches: Sequence[Branch], indent: str = "") -> Iterator[str]:
    for number, branch in enumerate(branches, start=1):
        last = number == len(branches)
        yield f"{indent}{'└── ' if last else '├── '}{branch.title}"
        yield from _branches(branch.below, f"{indent}{'    ' if last else '│   '}")


def _picture(parts: list[Part]) -> tuple[list[graph.Node], list[graph.Edge]]:
    nodes, edges = [], []
    hosts: dict[str, list[str]] = {}
    for part in parts:
        facts = [part.language or "", output.size(part.size)]
        nodes.append(graph.Node(f"component {part.name}", part.name, tuple(fact for fact in facts if fact)))
        if part.routes or part.info.http:
            nodes.append(graph.Node(f"entry {part.name}", "HTTP", part.routes, kind="entry"))
            edges.append(graph.Edge(f"entry {part.name}", f"component {part.name}"))
        linked = {link.interface: link for link in part.links}
        for name in _items(part)[0]:
            package, _, interface = name.partition("/")
            if name in linked:
                target = f"component {linked[name].component}"
                edges.append(graph.Edge(f"component {part.name}", target, f"{name} ({linked[name].mode})"))
                continue
            if (edge := graph.Edge(f"component {part.name}", f"host {package}")) not in edges:
                edges.append(edge)
            known = hosts.setdefault(package, [])
            if interface and interface not in known:
                known.append(interface)
    nodes += [graph.Node(f"host {name}", name, tuple(lines), kind="host") for name, lines in hosts.items()]
    return nodes, edges
