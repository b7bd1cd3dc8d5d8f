"""`wisp inspect`: what a WebAssembly file, or each component of an app, imports, exports and is made of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output, picture
from wisp.cli.inspected import functions, look
from wisp.errors import ComponentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from wisp.cli.inspected import Part
    from wisp.cli.prepared import PreparedLink


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of the tree, with what is below it."""

    title: str
    below: tuple[Branch, ...] = ()


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
    name, parts = look(arguments.path, arguments.profile)
    if arguments.json:
        print(json.dumps([_data(part) for part in parts], indent=2))
    elif arguments.wit:
        print("\n".join(_wit(part) for part in parts), end="")
    elif arguments.graph:
        sys.stdout.write(picture.draw(parts))
    else:
        print("\n".join([*_app_tree(name, parts), *(line for part in parts for line in _tree(part))]))
    return 0


def _wit(part: Part) -> str:
    if part.wit is None:
        message = f"{part.name} is a core module, which has no WIT"
        raise ComponentError(message, path=part.path)
    return part.wit.package.text.replace(
        "package root:component;", f"// {part.name}\npackage root:component;", 1
    )


def _data(part: Part) -> dict[str, object]:
    links = {link.interface: link for link in part.links}
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
        "schedules": list(part.schedules),
        "subjects": list(part.subjects),
        "imports": {
            name: {"items": functions(item), "link": _link(links[name]) if name in links else None}
            for name, item in part.imports.items()
        },
        "exports": {name: {"items": functions(item)} for name, item in part.exports.items()},
    }


def _app_tree(name: str, parts: Sequence[Part]) -> Iterator[str]:
    """Show from each component that no other one is linked to, who answers its imports, and so on."""
    links = [link for part in parts for link in part.links]
    if not links:
        return
    counts = f"{len(parts)} components, {len(links)} link{'' if len(links) == 1 else 's'}"
    yield f"{output.paint(name, 'bold', stream=sys.stdout)}  app, {counts}"
    answering = {link.provider for link in links}
    tops = [
        part for part in parts if part.routes or part.schedules or part.subjects or part.name not in answering
    ]
    yield from _branches(
        [
            Branch(f"{part.name}{''.join(f'  {route}' for route in part.routes)}", _below(part.name, links))
            for part in tops
        ]
    )


def _below(name: str, links: Sequence[PreparedLink]) -> tuple[Branch, ...]:
    own = [link for link in links if link.component == name]
    # Where several interfaces lead to one component, what is below it is shown once.
    last = {link.provider: link for link in own}
    return tuple(
        Branch(
            f"{link.interface}{_answer(link)}",
            _below(link.provider, links) if last[link.provider] is link else (),
        )
        for link in own
    )


def _answer(link: PreparedLink) -> str:
    return f"  -> {link.provider} ({link.mode}: {link.reason})"


def _link(link: PreparedLink) -> dict[str, str]:
    return {"component": link.provider, "mode": link.mode, "reason": link.reason}


def _tree(part: Part) -> Iterator[str]:
    facts = [part.info.kind, output.size(part.size)]
    facts += [part.language] if part.language else []
    facts += [f"serves HTTP (wasi:http {part.info.http})"] if part.info.http else []
    facts += [f"is a command ({part.info.command})"] if part.info.command else []
    yield f"{output.paint(part.name, 'bold', stream=sys.stdout)}  {', '.join(facts)}"
    yield from _branches(list(_groups(part)))


def _groups(part: Part) -> Iterator[Branch]:
    answers = {link.interface: _answer(link) for link in part.links}
    if part.routes:
        yield Branch("routes", tuple(map(Branch, part.routes)))
    if part.schedules:
        yield Branch("schedules", tuple(map(Branch, part.schedules)))
    if part.subjects:
        yield Branch("takes", tuple(map(Branch, part.subjects)))
    exports = (Branch(name, tuple(map(Branch, functions(item)))) for name, item in part.exports.items())
    yield Branch("exports", tuple(exports))
    yield Branch("imports", tuple(Branch(f"{name}{answers.get(name, '')}") for name in part.imports))
    made = [f"{key}: {', '.join(names)}" for key, names in part.info.producers.items() if names]
    resources = part.info.resources
    made.append(
        f"core instances: {resources.core_instances}, memories: {resources.memories}, tables: {resources.tables}"
    )
    yield Branch("made of", tuple(map(Branch, made)))


def _branches(branches: Sequence[Branch], indent: str = "") -> Iterator[str]:
    for number, branch in enumerate(branches, start=1):
        last = number == len(branches)
        yield f"{indent}{'└── ' if last else '├── '}{branch.title}"
        yield from _branches(branch.below, f"{indent}{'    ' if last else '│   '}")
