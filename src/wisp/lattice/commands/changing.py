"""Changes of what is wanted of an app: from one record to the next, as pure functions. `control` writes what they return.

An app remembers its versions itself, so scaling it does not drive them out, and a host that writes back what NATS has lost has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from wisp.errors import LatticeError
from wisp.lattice.plan.versions import Strategy, StrategyChanges, Version
from wisp.lattice.records import App, Wishes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Changes(TypedDict, total=False):
    """What is to be changed of the wishes for an app; the rest stays."""

    replicas: int | str
    require: Mapping[str, str]
    spread: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that is asked for."""

    name: str
    version: str
    digest: str
    changes: Changes
    strategy: StrategyChanges
    source: str | None = None
    """The reference that it was pulled by, with a digest."""

    evidence: str | None = None
    """What speaks for that artifact."""


def deployed(before: App | None, wanted: Wanted, now: int) -> App:
    """Return the record after a deployment. Raises LatticeError when a canary is asked for and there is nothing to compare it with."""
    known = before if before is not None and not before.deleted else None
    _refuse_lonely_canary(known, wanted)
    revision = before.revision + 1 if before else 1
    entry = Version(
        revision=revision, digest=wanted.digest, version=wanted.version, source=wanted.source, at=now
    )
    kept = known.strategy if known else Strategy()
    history = _with(_history(known) if known else (), entry, wanted.strategy.get("keep", kept.keep))
    return App(
        name=wanted.name,
        revision=revision,
        digest=wanted.digest,
        version=wanted.version,
        source=wanted.source,
        configuration=known.configuration if known else None,
        wishes=changed(known.wishes if known else Wishes(), wanted.changes),
        since=known.since if known else now,
        strategy=Strategy.model_validate({**kept.model_dump(), "canary": None, **wanted.strategy}),
        history=history,
        evidence=_evidence(known, wanted, history),
    )


def scaled(known: App, changes: Changes) -> App:
    """Return the record with other wishes."""
    return known.model_copy(update={"revision": known.revision + 1, "wishes": changed(known.wishes, changes)})


def promoted(known: App) -> App:
    """Return the record by which a canary becomes what everybody gets. Raises LatticeError when there is none."""
    if known.strategy.canary is None:
        message = f"{known.name} has no canary"
        raise LatticeError(message, hint=f"`wisp app {known.name}` shows how it stands")
    return known.model_copy(update={"revision": known.revision + 1, "strategy": _without_canary(known)})


def gone_back(known: App, earlier: Sequence[App], to: int | None, now: int) -> App:
    """Return the record that asks for an earlier version: that of a revision, or the one before the version that is wanted now.

    Args:
        known: What is wanted now.
        earlier: The records before, for an app whose record was written by a wisp that did not keep versions in it.
        to: The revision.
        now: In milliseconds since 1970.

    Raises:
        LatticeError: there is no such version.

    """
    history = _history(known, earlier)
    found = _version(history, known, to)
    if found is None:
        what = "no earlier version" if to is None else f"no revision {to}"
        message = f"the lattice remembers {what} of {known.name}"
        had = ", ".join(str(one.revision) for one in history)
        raise LatticeError(
            message,
            hint=f"it has the versions of the revisions {had}; the last {known.strategy.keep} are kept",
        )
    revision = known.revision + 1
    why = f"gone back to the version of revision {found.revision}"
    entry = Version(
        revision=revision, digest=found.digest, version=found.version, source=found.source, at=now, why=why
    )
    return known.model_copy(
        update={
            "revision": revision,
            "digest": found.digest,
            "version": found.version,
            "source": found.source,
            "hurry": True,
            "strategy": _without_canary(known),
            "history": _with(history, entry, known.strategy.keep),
        }
    )


def changed(wishes: Wishes, changes: Changes) -> Wishes:
    """Return wishes with what is to be changed of them."""
    return Wishes.model_validate({**wishes.model_dump(), **changes})


def _refuse_lonely_canary(known: App | None, wanted: Wanted) -> None:
    if wanted.strategy.get("canary") is None:
        return
    if known is None:
        message = f"there is no earlier version of {wanted.name} that could get the other requests"
        raise LatticeError(message, hint="deploy it without --canary first")
    if known.digest == wanted.digest and known.strategy.canary is None:
        message = f"{wanted.name} is this version already"
        raise LatticeError(message, hint="a canary is another version, beside the one that runs")


def _evidence(known: App | None, wanted: Wanted, history: Sequence[Version]) -> dict[str, str]:
    """Return what speaks for the artifacts of all versions that can be gone back to."""
    found = {**(known.evidence if known else {})}
    if wanted.source is not None and wanted.evidence is not None:
        found[wanted.source] = wanted.evidence
    return {
        one.source: found[one.source] for one in history if one.source is not None and one.source in found
    }


def _version(history: Sequence[Version], known: App, to: int | None) -> Version | None:
    """Return the version that was wanted at a revision, or the last other one that was not taken back."""
    if to is None:
        others = [one for one in history if one.digest != known.digest and not one.withdrawn]
        return others[-1] if others else None
    then = [one for one in history if one.revision <= to <= known.revision]
    return then[-1] if then else None


def _history(known: App, earlier: Sequence[App] = ()) -> tuple[Version, ...]:
    if known.history:
        return known.history
    history: list[Version] = []
    for app in (*earlier, known):
        if app.deleted or app.since != known.since or app.revision > known.revision:
            continue
        if not history or history[-1].digest != app.digest:
            history.append(
                Version(
                    revision=app.revision,
                    digest=app.digest,
                    version=app.version,
                    source=app.source,
                    at=app.since,
                )
            )
    return tuple(history)


def _with(history: Sequence[Version], entry: Version, keep: int) -> tuple[Version, ...]:
    """Return the versions with one more, unless it is the newest already."""
    if history and history[-1].digest == entry.digest:
        return tuple(history)[-keep:]
    return (*history, entry)[-keep:]


def _without_canary(known: App) -> Strategy:
    return known.strategy.model_copy(update={"canary": None})
