"""Whether a new version does worse than the one that it follows: a pure function of what hosts have counted of both.

Only stretches of time are looked at in which both have answered, so what happens to all of them (a slow database, an attack) is not held
against the new one. Before there were enough requests of each, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.lattice.plan.versions import Comparison, Figures, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wisp.lattice.plan.versions import Strategy, Window
    from wisp.lattice.records import App, Observed, Placed

SLOWEST_UNSEEN: Final = 20.0
"""Milliseconds: what is slower by less is nobody's loss, however many times as long it takes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """That a version is to be taken back, and for which."""

    to: Placed
    why: str
    figures: Comparison


def judge(app: App, versions: Sequence[Placed], observed: Mapping[str, Observed]) -> Verdict | None:
    """Return the verdict on the wanted version of an app; None when there is nothing against it, or too little is known."""
    new = next((placed for placed in versions if placed.digest == app.digest), None)
    old = next((placed for placed in versions if placed.digest != app.digest and placed.proven), None)
    if new is None or old is None or new.proven or app.hurry or not app.strategy.automatic:
        return None
    found = compare(new, old, observed)
    why = _worse(found, app.strategy)
    return Verdict(old, why, found) if why else None


def compare(new: Placed, old: Placed, observed: Mapping[str, Observed]) -> Comparison:
    """Add up what hosts have counted of two versions in the same time."""
    ours, theirs = _windows(new, observed), _windows(old, observed)
    common = {window.number for window in ours} & {window.number for window in theirs}
    return Comparison(old=_sum(theirs, common), new=_sum(ours, common))


def taken_back(app: App, verdict: Verdict, now: int) -> App:
    """Return the record that asks for the old version again, with the reason in its history."""
    known = next((one for one in app.history if one.digest == verdict.to.digest), None)
    version = known.version if known else app.version
    history = tuple(
        one.model_copy(update={"withdrawn": True}) if one.digest == app.digest else one for one in app.history
    )
    entry = Version(
        revision=app.revision + 1,
        digest=verdict.to.digest,
        version=version,
        source=known.source if known else None,
        at=now,
        why=verdict.why,
        figures=verdict.figures,
    )
    return app.model_copy(
        update={
            "revision": entry.revision,
            "digest": entry.digest,
            "version": version,
            "source": entry.source,
            "hurry": True,
            "strategy": app.strategy.model_copy(update={"canary": None}),
            "history": (*history, entry)[-app.strategy.keep :],
        }
    )


def _worse(found: Comparison, strategy: Strategy) -> str | None:
    """Say what is worse about the new version, if that is beyond what is allowed."""
    old, new = found.old, found.new
    if min(old.requests, new.requests) < strategy.minimum:
        return None
    if new.failing > old.failing + strategy.errors:
        return (
            f"{new.failing:.1f} % of {new.requests:,} requests failed,"
            f" of the version before {old.failing:.1f} % of {old.requests:,}"
        )
    if new.mean_ms > max(old.mean_ms * strategy.slower, old.mean_ms + SLOWEST_UNSEEN):
        return (
            f"{new.requests:,} requests took {new.mean_ms:.1f} ms on average,"
            f" {old.requests:,} of the version before {old.mean_ms:.1f} ms"
        )
    return None


def _windows(placed: Placed, observed: Mapping[str, Observed]) -> list[Window]:
    return [
        window
        for host in placed.everywhere
        if host in observed
        for one in observed[host].apps
        if one.app == placed.app and one.running == placed.digest
        for window in one.figures
    ]


def _sum(windows: Sequence[Window], numbers: set[int]) -> Figures:
    counted = [window for window in windows if window.number in numbers]
    return Figures(
        requests=sum(window.requests for window in counted),
        failures=sum(window.failures for window in counted),
        duration_us=sum(window.duration_us for window in counted),
    )
