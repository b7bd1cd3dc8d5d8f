"""How a lattice is: NATS, who plans, its hosts and apps, and what is wrong with any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.lattice.commands.standing import standing
from wisp.lattice.state import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wisp.lattice.commands.control import View
    from wisp.lattice.nats.bucket import Kept
    from wisp.lattice.state import State


@dataclass(frozen=True, slots=True)
class Health:
    """A lattice at one moment."""

    lattice: str
    nats: Kept
    """The servers that keep what is wanted."""

    planner: str | None
    hosts: tuple[str, ...]
    gone: tuple[str, ...]
    """Hosts that have something to run, and are not there."""

    draining: tuple[str, ...]
    apps: int
    short: tuple[str, ...]
    """What stands in the way of apps that do not run everywhere where they are wanted."""

    identity: str | None
    """What is wrong with the identity of the lattice."""

    @property
    def remarks(self) -> list[str]:
        """Say what is not wrong, but could be better."""
        found = []
        if self.nats.replicas == 1:
            found.append(
                "one server of NATS keeps the state of the lattice: a single point. While it is away nothing changes, and what runs goes on"
            )
        found += [
            f"{host} is being left (`wisp drain {host} --undo` lets apps come back)" for host in self.draining
        ]
        return found

    @property
    def problems(self) -> list[str]:
        """Say what is wrong, one sentence each."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.identity is not None:
            yield self.identity
        if self.nats.current < self.nats.replicas:
            yield f"{self.nats.current} of {self.nats.replicas} servers of NATS have all of the state"
        if not self.hosts:
            yield "there are no hosts"
        elif self.planner is None:
            yield "nobody plans; that may take a few seconds after the planner is lost"
        yield from (f"host {host} is gone, and has something to run" for host in self.gone)
        yield from self.short


async def look(lattice: State, view: View) -> Health:
    """Return how a lattice is. Raises LatticeError."""
    assigned = (
        {host for placed in view.assignment.apps for host in placed.everywhere} if view.assignment else set()
    )
    standings = {app.name: standing(view, app.name, app.revision) for app in view.apps.values()}
    short = [f"{app}: {found.problems()[0]}" for app, found in standings.items() if not found.complete]
    return Health(
        lattice=lattice.name,
        nats=await lattice.desired.kept(),
        planner=view.planner,
        hosts=tuple(sorted(view.hosts)),
        gone=tuple(sorted(assigned - view.hosts.keys())),
        draining=tuple(sorted(view.draining)),
        apps=len(view.apps),
        short=tuple(short),
        identity=_identity(lattice, view),
    )


def _identity(lattice: State, view: View) -> str | None:
    if lattice.identity is None:
        return f"NATS has lost the data of the lattice (no key {IDENTITY}); `wisp lattice restore` writes them back"
    if view.assignment is not None and view.assignment.lattice != lattice.identity.id:
        return "the newest assignment is that of another lattice; hosts that belonged to that one stay away"
    return None
