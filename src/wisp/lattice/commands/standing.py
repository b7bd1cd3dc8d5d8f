"""How an app stands: what was wanted, and what has come of it on each host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wisp.lattice.plan.judging import compare
from wisp.lattice.plan.versions import Comparison, Figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wisp.lattice.commands.control import View
    from wisp.lattice.records import App, Placed

HostState = Literal["running", "preparing", "failed", "leaving", "gone"]


@dataclass(frozen=True, slots=True)
class OnHost:
    """An app on one host."""

    host: str
    state: HostState
    url: str | None
    error: str | None
    version: str = ""
    """What the host is to run, of several versions."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version of an app that is in two."""

    version: str
    digest: str
    share: int
    hosts: tuple[str, ...]
    figures: Figures


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

    sides: tuple[Side, ...] = ()
    """While one version follows another: the new one, then those before it."""

    helping: bool = False
    """Whether a host runs it that is not to go on with it."""

    canary: int | None = None
    taken_back: str | None = None
    """Why the version of this revision was taken back, if it was."""

    @property
    def running(self) -> tuple[OnHost, ...]:
        """The hosts that answer for it."""
        return tuple(one for one in self.hosts if one.state == "running")

    @property
    def pending(self) -> tuple[OnHost, ...]:
        """The hosts of which neither an answer nor an error is known."""
        return tuple(one for one in self.hosts if one.state in {"preparing", "gone"})

    @property
    def failed(self) -> tuple[OnHost, ...]:
        """The hosts that cannot run it."""
        return tuple(one for one in self.hosts if one.state == "failed")

    @property
    def on_trial(self) -> bool:
        """Whether it is a canary that answers, and waits for being promoted."""
        return self.canary is not None and bool(self.sides) and self.sides[0].share == self.canary

    @property
    def going_on(self) -> bool:
        """Whether the new version is still to come to more hosts."""
        held = self.canary is not None and bool(self.missing)
        return (bool(self.sides) or self.helping) and not (self.on_trial or held or self.failed)

    @property
    def decided(self) -> bool:
        """Whether nothing more is to be expected."""
        return self.assigned and not self.pending and not self.going_on

    @property
    def complete(self) -> bool:
        """Whether it runs everywhere where it is wanted."""
        return self.decided and not (self.failed or self.missing or self.taken_back)

    def problems(self) -> list[str]:
        """Say what stands in the way, one sentence each."""
        if not self.assigned:
            return ["no host has planned it yet; `wisp hosts` shows who is there"]
        words = {
            "preparing": "is fetching and compiling it",
            "gone": "does not answer, and will be replaced",
        }
        return [
            *([f"it was taken back: {self.taken_back}"] if self.taken_back else ()),
            *self.missing,
            *(f"host {one.host}: {one.error}" for one in self.failed),
            *(f"host {one.host} {words[one.state]}" for one in self.pending),
            *([self.progress()] if self.going_on else ()),
        ]

    def progress(self) -> str:
        """Say how far a new version is."""
        if not self.sides:
            return "the hosts that helped give it up again"
        new = self.sides[0]
        running = sum(one.state == "running" and one.host in new.hosts for one in self.hosts)
        return f"{new.version} runs on {_hosts(running)} and gets {new.share} % of the requests"


def standing(view: View, app: str, revision: int) -> Standing:
    """Return how an app stands, in this revision of it or a later one."""
    versions = view.versions(app)
    if not versions or versions[0].revision < revision:
        return Standing(app, revision, assigned=False, hosts=(), missing=())
    all_missing = view.assignment.missing if view.assignment else ()
    record = view.apps.get(app)
    return Standing(
        app,
        versions[0].revision,
        assigned=True,
        hosts=tuple(
            _on(view, placed, host, name)
            for placed, name in zip(versions, names(record, versions), strict=True)
            for host in placed.everywhere
        ),
        missing=tuple(f"{one.count} missing: {one.reason}" for one in all_missing if one.app == app),
        sides=_sides(view, record, versions),
        helping=any(placed.extra for placed in versions),
        canary=record.strategy.canary if record else None,
        taken_back=_taken_back(record, revision),
    )


def names(record: App | None, versions: Sequence[Placed]) -> list[str]:
    """Return what versions are called: as their manifests say, and by revision where two say the same."""
    known = {one.digest: one.version for one in record.history} if record else {}
    called = [known.get(placed.digest, placed.digest[7:19]) for placed in versions]
    if len(set(called)) == len(called):
        return called
    return [f"{name} (revision {placed.revision})" for name, placed in zip(called, versions, strict=True)]


def _sides(view: View, record: App | None, versions: Sequence[Placed]) -> tuple[Side, ...]:
    """Return the versions of an app that changes; none when only hosts that are leaving have another one."""
    if not any(placed.hosts for placed in versions[1:]):
        return ()
    new, *others = versions
    old = next((placed for placed in others if placed.proven), others[0])
    found = compare(new, old, view.observed)
    counted = {new.digest: found.new, old.digest: found.old}
    return tuple(
        Side(name, placed.digest, placed.share, placed.hosts, counted.get(placed.digest, Comparison().old))
        for placed, name in zip(versions, names(record, versions), strict=True)
    )


def _taken_back(record: App | None, revision: int) -> str | None:
    later = [one for one in record.history if one.revision > revision] if record else []
    return later[0].why if later and later[0].figures else None


def _on(view: View, placed: Placed, host: str, version: str) -> OnHost:
    record, said = view.hosts.get(host), view.said(placed.app, host)
    if record is None:
        return OnHost(host, "gone", None, None, version)
    if host in placed.leaving:
        return OnHost(host, "leaving", record.url, None, version)
    if said is None or said.revision != placed.revision:
        return OnHost(host, "preparing", record.url, None, version)
    return OnHost(host, said.state, record.url, said.error, version)


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"
