"""What came of a comparison, for people: times with their ratio, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from counting.expected import Counts

NOTHING = 0.03
"""What the same program differs by from run to run."""

UNITS = (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))


@dataclass(frozen=True, slots=True)
class Times:
    """The medians of one bench, in nanoseconds, one for each round; none where the side does not have it."""

    base: Sequence[float]
    now: Sequence[float]

    @property
    def ratio(self) -> float | None:
        """How often the time before goes into the time now."""
        return median(self.now) / median(self.base) if self.base and self.now else None

    @property
    def verdict(self) -> str:
        """Whether the rounds agree that something has changed: all of one side are beyond all of the other, and not by a little."""
        if self.ratio is None:
            return "only now" if self.now else "only before"
        if abs(self.ratio - 1) < NOTHING:
            return ""
        if max(self.now) < min(self.base):
            return "faster"
        return "slower" if min(self.now) > max(self.base) else ""


def times(base: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]) -> dict[str, Times]:
    """Return the times of each bench from the rounds of both sides."""
    names = dict.fromkeys(name for part in (*base, *now) for name in sorted(part))
    return {
        name: Times(*([part[name] for part in side if name in part] for side in (base, now)))
        for name in names
    }


def benches(measured: Mapping[str, Times]) -> Iterator[str]:
    """Yield the lines of a table of all benches."""
    yield "| bench | before | now | now / before | |"
    yield "|---|---:|---:|---:|---|"
    for name, one in measured.items():
        ratio = f"{one.ratio:.3f}" if one.ratio is not None else "-"
        yield f"| {name} | {duration(one.base)} | {duration(one.now)} | {ratio} | {one.verdict} |"


def duration(rounds: Sequence[float]) -> str:
    """Return the median of some nanoseconds in a unit that suits it, with the least and the greatest."""
    if not rounds:
        return "-"
    middle = median(rounds)
    unit, size = next((pair for pair in UNITS if middle >= pair[1]), UNITS[-1])
    least, greatest = min(rounds) / size, max(rounds) / size
    return f"{middle / size:.4g} {unit} ({least:.4g} - {greatest:.4g})"


def counts(base: Counts, now: Counts, requests: int) -> Iterator[str]:
    """Yield the lines of a table of what requests take, each for one request."""
    yield "| requests | what | before | now | |"
    yield "|---|---|---:|---:|---|"
    for sequence, kinds in now.items():
        for kind, names in kinds.items():
            before = base.get(sequence, {}).get(kind)
            for name in sorted({*names, *(before or {})}):
                told = name if name == kind else f"{kind}, {name}"
                yield f"| {sequence} | {told} | {_row(before, names, name, requests)} |"


def _row(before: Mapping[str, int] | None, now: Mapping[str, int], name: str, requests: int) -> str:
    count = now.get(name, 0)
    if before is None:
        return f"- | {count / requests:.2f} | "
    difference = count - before.get(name, 0)
    word = "" if difference == 0 else f"{difference / requests:+.2f}"
    return f"{before.get(name, 0) / requests:.2f} | {count / requests:.2f} | {word}"
