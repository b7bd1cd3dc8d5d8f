"""Serving what a host runs: all its apps with one set of workers, none of which can stop the others.

When workers refuse to start with all that is wanted, what is new is tried one by one, so that only an app at fault is left out. An
app whose new version cannot run goes on with the one that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wisp.errors import HostError
from wisp.host.clashes import first_speaks, refuse_clashes
from wisp.host.schedule import jobs
from wisp.host.settings import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from wisp.host.cron import Scheduler
    from wisp.host.settings import JsonObject
    from wisp.host.supervisor import Supervisor
    from wisp.lattice.running.preparing import Prepared

Apps = dict[str, "Prepared"]
Lattice: TypeAlias = "Callable[[Collection[str]], JsonObject | None]"
"""What workers that serve these apps are told about other hosts."""


class Serving:
    """What one host serves."""

    def __init__(self, supervisor: Supervisor, scheduler: Scheduler, lattice: Lattice) -> None:
        self._lattice = lattice
        self._supervisor = supervisor
        self._scheduler = scheduler
        self.served: Apps = {}
        self.settled = True
        """Whether the workers serve this and nothing else: False while they are being exchanged."""

    async def begin(self) -> None:
        """Serve nothing, so that the host answers. Raises HostError."""
        await self._supervisor.serve(Start((), {}, lattice=self._lattice(())))

    async def serve(self, wanted: Mapping[str, Prepared]) -> dict[str, str]:
        """Serve these apps in place of what was served, and return what stood in the way, by app.

        Raises:
            HostError: not even what was served before can be served any more.

        """
        accepted, wrong = self._without_clashes(wanted)
        try:
            await self._exchange(accepted)
        except HostError as error:
            changed = [app for app, prepared in accepted.items() if self.served.get(app) != prepared]
            if not changed:
                raise
            if len(changed) == 1:
                wrong[changed[0]] = error.message
            await self._one_by_one(accepted, changed, wrong)
        return wrong

    async def _one_by_one(self, accepted: Apps, changed: list[str], wrong: dict[str, str]) -> None:
        """Keep what is served of these, and add what has changed, each for itself."""
        base = {app: self.served[app] for app in accepted if app in self.served}
        for app in changed:
            if app in wrong:
                continue
            try:
                await self._exchange({**base, app: accepted[app]})
                base[app] = accepted[app]
            except HostError as error:
                wrong[app] = error.message
        await self._exchange(base)

    def _without_clashes(self, wanted: Mapping[str, Prepared]) -> tuple[Apps, dict[str, str]]:
        """Leave out what claims the requests of another app; what is served already has them."""
        accepted: Apps = {}
        wrong: dict[str, str] = {}
        for app in sorted(wanted, key=lambda name: (name not in self.served, name)):
            try:
                refuse_clashes([*(one.told for one in accepted.values()), wanted[app].told])
                accepted[app] = wanted[app]
            except HostError as error:
                wrong[app] = error.message
                if app in self.served:
                    accepted[app] = self.served[app]
        return accepted, wrong

    async def _exchange(self, apps: Apps) -> None:
        if apps == self.served:
            return
        told = first_speaks([apps[name].told for name in sorted(apps)])
        artifacts = {digest: one for app in apps.values() for digest, one in app.artifacts.items()}
        self.settled = False
        try:
            await self._supervisor.serve(Start(tuple(told), artifacts, lattice=self._lattice(apps)))
            self._scheduler.keep(jobs(told))
            self.served = dict(apps)
        finally:
            self.settled = True
