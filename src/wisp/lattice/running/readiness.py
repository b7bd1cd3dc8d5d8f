"""Whether a version of an app is ready on this host: a worker of its own can serve it, and has answered one request.

Which request that is: `[app] health` says it, and then the answer must be a good one. Otherwise the simplest path of its routes is asked with
GET, and any answer of its own will do: what the app means by it is not known. An app without such a route is ready when a worker can serve it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from wisp.errors import HostError
from wisp.host.rehearsal import Probe, rehearse
from wisp.host.settings import Start
from wisp.lattice.running.triggers import without

if TYPE_CHECKING:
    from wisp.host.settings import HostSettings, JsonObject
    from wisp.lattice.running.preparing import Prepared
    from wisp.lattice.running.serving import Lattice
    from wisp.manifest.locked import LockedApp, LockedRoute

TRIGGERS: Final = ("cron", "messaging")
"""What else calls components: nothing does while an app is tried out, and what only they call is not tried."""

BELIEVED: Final = 5.0
"""Seconds in which a version that was not ready is not tried again."""

ANY_TEXT: Final = "probe"
"""What stands for a parameter in a path."""


def probe(app: LockedApp) -> Probe | None:
    """Return what an app is asked; None when nothing can be asked without doing something."""
    routes = [
        route
        for route in app.http
        if route.component is not None and (not route.methods or "GET" in route.methods)
    ]
    route = min(routes, key=_difficulty, default=None)
    if app.health is not None:
        return Probe(app.health, _host(route), strict=True)
    return Probe(_path(route.route), _host(route), strict=False) if route else None


class Readiness:
    """Tries out versions on one host. What has just failed is not tried again at each change of another app."""

    def __init__(self, settings: HostSettings, lattice: Lattice) -> None:
        self._settings = settings
        self._lattice = lattice
        self._failed: dict[str, tuple[Prepared, float, HostError]] = {}
        """By app: what was not ready, until when that is believed, and why."""

    async def require(self, prepared: Prepared) -> None:
        """Try out an app. Raises HostError when it is not ready."""
        now = asyncio.get_running_loop().time
        known = self._failed.pop(prepared.app, None)
        if known is not None and known[0] == prepared and now() < known[1]:
            self._failed[prepared.app] = known
            raise known[2]
        told = without(prepared.told, TRIGGERS)
        try:
            lattice = _for_calls(prepared.app, self._lattice(()))
            await rehearse(
                self._settings, Start((told,), prepared.artifacts, lattice=lattice), prepared.probe
            )
        except HostError as error:
            self._failed[prepared.app] = (prepared, now() + BELIEVED, error)
            raise


def _for_calls(app: str, lattice: JsonObject | None) -> JsonObject | None:
    """Return what workers are told about other hosts, so that they can call other apps there: every request is for this one."""
    table = cast("JsonObject | None", lattice["table"]) if lattice else None
    if lattice is None or table is None:
        return lattice
    apps = cast("list[JsonObject]", table["apps"])
    others = [{**one, "routes": []} for one in apps if one["app"] != app]
    return {**lattice, "table": {**table, "apps": others}}


def _difficulty(route: LockedRoute) -> tuple[int, bool, int, str]:
    """Return what sorts first the routes of which we know what to ask: no parameters, nothing below them, no host."""
    text = route.route
    return text.count("/:"), text.endswith("/...") and text != "/...", len(route.hosts), text


def _path(route: str) -> str:
    parts = [ANY_TEXT if part.startswith(":") else part for part in route.split("/")]
    return "/".join(parts).removesuffix("...")


def _host(route: LockedRoute | None) -> str:
    if route is None or not route.hosts:
        return "localhost"
    return route.hosts[0].replace("*", ANY_TEXT)
