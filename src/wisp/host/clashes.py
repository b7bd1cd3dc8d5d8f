"""Several apps on one listener: their names must differ, and no two of them may claim the same requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, cast

from wisp.errors import HostError
from wisp.manifest.routes import parse_route

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.host.settings import JsonObject

ANY = "*"
OF_SPIN = "/.well-known/spin/"
"""What Spin answers itself below this path in every app of its."""

HINT = "give one of them another route, host or method, or serve them with two commands"


class _Route(TypedDict, total=False):
    route: str
    methods: list[str]
    hosts: list[str]
    convention: str


def refuse_clashes(apps: Sequence[JsonObject]) -> None:
    """Raise HostError when two apps have the same name, or a route that matches exactly the same requests."""
    if len(apps) < 2:  # noqa: PLR2004 - one app cannot clash; its own manifest has been checked
        return
    names: set[str] = set()
    owners: dict[tuple[str, str, str], str] = {}
    for app in apps:
        name = str(app["name"])
        if name in names:
            message = f'two apps are called "{name}"'
            raise HostError(message, hint="give one of them another [app] name", kind="routes")
        names.add(name)
        for claim, text in _claims(app):
            owner = owners.setdefault(claim, name)
            if owner != name:
                message = f'the apps "{owner}" and "{name}" both have the route {text}'
                raise HostError(message, hint=HINT, kind="routes")


def first_speaks(apps: Sequence[JsonObject]) -> list[JsonObject]:
    """Let the first of several apps of Spin answer what Spin answers itself, for all of them."""
    spoken = False
    kept: list[JsonObject] = []
    for app in apps:
        routes = cast("list[_Route]", app["http"])
        others = [route for route in routes if not route["route"].startswith(OF_SPIN)]
        kept.append({**app, "http": others} if spoken else app)
        spoken = spoken or len(others) < len(routes)
    return kept


def _claims(app: JsonObject) -> Iterator[tuple[tuple[str, str, str], str]]:
    for route in cast("list[_Route]", app["http"]):
        shape = parse_route(route["route"]).shape
        # There `/a/` is what `/a` is, and a clash is one all the same.
        shape = (shape.rstrip("/") or "/") if route.get("convention") == "spin" else shape
        for method in route["methods"] or [ANY]:
            for host in route["hosts"] or [ANY]:
                text = " ".join(part for part in (method, host, route["route"]) if part != ANY)
                yield (shape, method, host.lower()), text
