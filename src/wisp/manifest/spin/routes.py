"""HTTP triggers of Spin as our `[[http]]`.

Of two routes that match the same, Spin takes the later one, and so does this. What Spin answers itself, below
`/.well-known/spin/`, becomes answers without a component.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wisp.manifest.routes import parse_route
from wisp.manifest.spin.models import HttpTrigger, Private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.spin.models import Application, Component
    from wisp.manifest.spin.notes import Notebook

WELL_KNOWN: Final = "/.well-known/spin/"
_PARAMETER: Final = re.compile(r"(?<=/):[^/]*")


@dataclass(frozen=True, slots=True)
class Routed:
    """The triggers, read."""

    http: tuple[dict[str, Any], ...]
    paths: tuple[KeyPath, ...]
    """Of each of these: where it stands in `spin.toml`."""

    inline: Mapping[str, tuple[KeyPath, Component]]
    """Components that were written into a trigger, by the names that Spin gives them."""

    components: tuple[str, ...]
    """The components that answer requests, whether a route leads to them or not."""


def read(triggers: Sequence[HttpTrigger], taken: Mapping[str, Component], notebook: Notebook) -> Routed:
    """Read the triggers; `taken` are the components that have names."""
    names = _Names(triggers, taken)
    routes: dict[str, tuple[dict[str, Any], KeyPath]] = {}
    inline: dict[str, tuple[KeyPath, Component]] = {}
    components: list[str] = []
    for index, trigger in enumerate(triggers):
        path: KeyPath = ("trigger", "http", index)
        _refuse(trigger, path, notebook)
        answer: dict[str, Any] = {}
        if trigger.static_response is not None:
            answer = {"response": _response(trigger)}
        elif trigger.component is not None:
            name = trigger.component if isinstance(trigger.component, str) else names.inline(index)
            if not isinstance(trigger.component, str):
                inline[name] = ((*path, "component"), trigger.component)
            components.append(name)
            answer = {"component": name}
        if route := _route(trigger, path, notebook):
            _place(routes, route, ({"route": route, **answer, "convention": "spin"}, path), notebook)
    made = tuple(routes.values())
    return Routed(
        tuple(http for http, _ in made),
        tuple(path for _, path in made),
        inline,
        tuple(dict.fromkeys(components)),
    )


def well_known(application: Application) -> Iterator[dict[str, Any]]:
    """List what Spin answers in every application."""
    info = {"name": application.name} | ({"version": application.version} if application.version else {})
    yield {"route": f"{WELL_KNOWN}health", "response": {"body": "OK"}}
    headers = {"content-type": "application/json"}
    yield {"route": f"{WELL_KNOWN}info", "response": {"headers": headers, "body": json.dumps(info)}}
    yield {"route": f"{WELL_KNOWN}...", "response": {"status": 404}}


class _Names:
    """The names that Spin gives triggers and components that have none."""

    def __init__(self, triggers: Sequence[HttpTrigger], taken: Mapping[str, Component]) -> None:
        self._components = set(taken)
        self._ids: list[str] = []
        used = {trigger.id for trigger in triggers}
        for trigger in triggers:
            name = trigger.id or self._natural(trigger, used) or _counted("http-trigger", used)
            used.add(name)
            self._ids.append(name)

    @staticmethod
    def _natural(trigger: HttpTrigger, used: set[str]) -> str | None:
        name = f"{trigger.component}-http-trigger" if isinstance(trigger.component, str) else None
        return name if name not in used else None

    def inline(self, index: int) -> str:
        name = f"{self._ids[index]}-component"
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*", name) or name in self._components:
            name = _counted("inline-component", self._components)
        self._components.add(name)
        return name


def _counted(stem: str, used: set[str]) -> str:
    number = 1
    while f"{stem}{number}" in used:
        number += 1
    return f"{stem}{number}"


def _refuse(trigger: HttpTrigger, path: KeyPath, notebook: Notebook) -> None:
    """Refuse by name what a trigger of Spin can have and ours cannot."""
    if trigger.components is not None:
        message = "Spin's HTTP trigger has no use for it; name one `component`"
        notebook.refuse((*path, "components"), message, on_key=True)
    if trigger.dependencies is not None:
        message = (
            "there is no middleware here; compose it with the component (`wisp compose`), or let it stand before the"
            " component and send requests on to http://NAME.spin.internal"
        )
        notebook.refuse((*path, "dependencies"), message, on_key=True)
    if trigger.executor is not None and trigger.executor.type == "wagi":
        message = "programs of CGI (wagi) are not served; let the component export wasi:http/incoming-handler"
        notebook.refuse((*path, "executor"), message)


def _response(trigger: HttpTrigger) -> dict[str, Any]:
    answer = trigger.static_response
    assert answer is not None  # noqa: S101 - the caller looked
    status = {} if answer.status_code == 200 else {"status": answer.status_code}  # noqa: PLR2004 - OK
    return {
        **status,
        **({"headers": answer.headers} if answer.headers else {}),
        **({"body": answer.body} if answer.body else {}),
    }


def _route(trigger: HttpTrigger, path: KeyPath, notebook: Notebook) -> str | None:
    """Return a route as we write it; None if there is none."""
    if isinstance(trigger.route, Private):
        return None
    path = (*path, "route")
    route = trigger.route if trigger.route.startswith("/") else f"/{trigger.route}"
    if route.endswith("/*"):
        route = f"{route.removesuffix('*')}..."
    route = route.removesuffix("/") or "/"
    lower = _PARAMETER.sub(lambda match: match[0].lower(), route)
    if lower != route:
        notebook.differs(path, "names of parameters are in lower case here, as in the headers that have them")
    try:
        parsed = parse_route(lower)
    except ValueError as error:
        notebook.refuse(path, str(error))
        return None
    if f"{parsed.text}/".startswith(WELL_KNOWN) and parsed.text != WELL_KNOWN.rstrip("/"):
        notebook.no_equal(
            path, f"Spin answers everything below {WELL_KNOWN} itself; the route is never reached"
        )
        return None
    return parsed.text


def _place(
    routes: dict[str, tuple[dict[str, Any], KeyPath]],
    route: str,
    made: tuple[dict[str, Any], KeyPath],
    notebook: Notebook,
) -> None:
    shape = parse_route(route).shape
    if shape in routes:
        _, earlier = routes.pop(shape)
        message = f"the route matches what {made[0]['route']} below does, which wins as in Spin"
        notebook.no_equal((*earlier, "route"), message)
    routes[shape] = made
