"""The picture that `wisp inspect --graph svg` draws: who serves, who is linked to whom and how, what the host gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.cli import output
from wisp.wit import graph
from wisp.wit.versions import name_on_track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.cli.inspected import Part
    from wisp.wit.graph import ArrowKind

_ARROWS: Final[dict[str, ArrowKind]] = {"fused": "fused", "bridged": "bridged", "remote": "remote"}


def draw(parts: Sequence[Part]) -> str:
    """Draw components as boxes, with arrows to what they import."""
    nodes = [node for part in parts for node in _boxes(part)]
    edges = [edge for part in parts for edge in (*_entries(part), *_links(part), *_uses(part))]
    return graph.svg([*nodes, *_others(parts), *_hosts(parts)], edges)


def _boxes(part: Part) -> Iterator[graph.Node]:
    facts = [part.language or "", output.size(part.size)]
    yield graph.Node(f"component {part.name}", part.name, tuple(fact for fact in facts if fact))
    if part.routes or part.info.http:
        yield graph.Node(f"entry {part.name}", "HTTP", part.routes, kind="entry")


def _others(parts: Sequence[Part]) -> Iterator[graph.Node]:
    """Draw the components of other apps."""
    providers = dict.fromkeys(link.provider for part in parts for link in part.links)
    for provider in providers:
        app, slash, name = provider.rpartition("/")
        if slash:
            yield graph.Node(f"component {provider}", name, (f"of {app}",), kind="host")


def _entries(part: Part) -> Iterator[graph.Edge]:
    if part.routes or part.info.http:
        yield graph.Edge(f"entry {part.name}", f"component {part.name}", kind="entry")


def _links(part: Part) -> Iterator[graph.Edge]:
    """Draw one arrow to each component that is linked to in one mode, named by all interfaces that it carries."""
    carried: dict[tuple[str, str, str], list[str]] = {}
    for link in part.links:
        carried.setdefault((link.provider, link.mode, link.reason), []).append(link.interface)
    for (provider, mode, reason), interfaces in carried.items():
        yield graph.Edge(
            f"component {part.name}",
            f"component {provider}",
            label=(*interfaces, mode),
            kind=_ARROWS[mode],
            note=f"{mode}: {reason}",
        )


def _from_host(part: Part) -> list[tuple[str, str]]:
    """List the package and the name of each interface that no component answers, versions of one track as one."""
    linked = {link.interface for link in part.links}
    found = []
    for name in part.imports:
        if name not in linked:
            package, _, interface = (name_on_track(name) if ":" in name else name).partition("/")
            found.append((package, interface))
    return found


def _uses(part: Part) -> Iterator[graph.Edge]:
    for package in dict.fromkeys(package for package, _ in _from_host(part)):
        yield graph.Edge(f"component {part.name}", f"host {package}")


def _hosts(parts: Sequence[Part]) -> Iterator[graph.Node]:
    given: dict[str, dict[str, None]] = {}
    for part in parts:
        for package, interface in _from_host(part):
            given.setdefault(package, {}).update({interface: None} if interface else {})
    for package, interfaces in given.items():
        yield graph.Node(f"host {package}", package, tuple(interfaces), kind="host")
