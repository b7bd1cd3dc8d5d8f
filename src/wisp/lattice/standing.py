"""How an app stands: what was wanted, and what has come of it on each host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from wisp.lattice.control import View
    from wisp.lattice.records import Placed

HostState = Literal["running", "preparing", "failed", "leaving", "gone"]


@dataclass(frozen=True, slots=True)
class OnHost:
    """An app on one host."""

    host: str
    state: HostState
    url: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An app in the lattice at one moment."""

    app: str
    revision: int
    assigned: bool
    """Whether the newest assignment is about this revision, or a later one."""

    hosts: tuple[OnHost, ...]
    missing: tuple[str, ...]
    """Why there are fewer replicas than are wanted."""

    @property
    def running(self) -> tuple[OnHost, ...]:
        """The hosts that answer for it."""
        return tuple(one for one in self.hosts if one.state == "running")

    @property
    def pending(self) -> tuple[OnHost, ...]:
        """The hosts of which neither an answer nor an error is known."""
        return tuple(one for one in self.hosts if one.state in {"preparing", "gone"})

    @property
    def decided(self) -> bool:
        """Whether nothing more is to be expected."""
        return self.assigned and not self.pending

    @property
    def complete(self) -> bool:
        """Whether it runs everywhere where it is wanted."""
        failed = any(one.state == "failed" for one in self.hosts)
        return self.decided and not failed and not self.missing

    def problems(self) -> list[str]:
        """Say what stands in the way, one sentence each."""
        if not self.assigned:
            return ["no host has planned it yet; `wisp hosts` shows who is there"]
        words = {
            "preparing": "is fetching and compiling it",
            "gone": "does not answer, and will be replaced",
        }
        return [
            *self.missing,
            *(f"host {one.host}: {one.error}" for one in self.hosts if one.state == "failed"),
            *(f"host {one.host} {words[one.state]}" for one in self.pending),
        ]


def standing(view: View, app: str, revision: int) -> Standing:
    """Return how an app stands, in this revision of it or a later one."""
    placed = view.placed(app)
    if placed is None or placed.revision < revision:
        return Standing(app, revision, assigned=False, hosts=(), missing=())
    all_missing = view.assignment.missing if view.assignment else ()
    missing = tuple(f"{one.count} missing: {one.reason}" for one in all_missing if one.app == app)
    hosts = tuple(_on(view, placed, host) for host in placed.everywhere)
    return Standing(app, placed.revision, assigned=True, hosts=hosts, missing=missing)


def _on(view: View, placed: Placed, host: str) -> OnHost:
    record, said = view.hosts.get(host), view.said(placed.app, host)
    if record is None:
        return OnHost(host, "gone", None, None)
    if host in placed.leaving:
        return OnHost(host, "leaving", record.url, None)
    if said is None or said.revision != placed.revision:
        return OnHost(host, "preparing", record.url, None)
    return OnHost(host, said.state, record.url, said.error)
