"""Servers that are measured in turn, round by round, each alone on the machine."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from harness import machine
from harness.load import Sample, measure
from harness.section import Figure, Row, Table, cell
from harness.servers import MeasurementError, Subject, serving
from harness.tools import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.part import Context, Json
    from harness.servers import Server

HEAD = (
    "server",
    "requests/s",
    "p50, ms",
    "p99, ms",
    "processor time per request, µs",
    "memory (PSS), MiB",
    "load generator's share",
    "errors",
    "load before",
)

RATIOS = ("", "the peer, requests/s", "wisp, requests/s", "ratio", "bar", "met")
"""The head of the tables that compare two servers."""


@dataclass(slots=True)
class Series:
    """All measurements of one server; or why there are none that count."""

    subject: Subject
    samples: list[Sample] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    """Processes that ran or wanted to, a moment before each measurement."""

    void: str | None = None

    @property
    def requests(self) -> Figure:
        """Requests per second."""
        return Figure(tuple(sample.requests_per_second for sample in self.samples))

    @property
    def told(self) -> str:
        """Requests per second for a table, or why there are none that count."""
        return cell(self.void) if self.void else self.requests.text()

    def document(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "command": self.subject.shown,
            "void": self.void,
            "samples": [_rounded(sample) for sample in self.samples],
            "load_before": self.loads,
        }


def take_turns(
    name: str,
    subjects: Mapping[str, Subject | str],
    context: Context,
    how: Callable[[Server, int], Sample] = measure,
) -> dict[str, Series]:
    """Measure servers A B B A A B, in a closed loop unless told otherwise. One that is void is not tried again; one that could not be made ready is void from the beginning."""
    series = {
        key: Series(subject) if isinstance(subject, Subject) else Series(Subject(key, ()), void=subject)
        for key, subject in subjects.items()
    }
    for number in range(1, context.rounds + 1):
        for one in series.values() if number % 2 else reversed(series.values()):
            if one.void is None:
                _once(one, context.seconds, how)
        context.say(f"{name} {number}/{context.rounds}: {_line(series.values())}")
    return series


def ratio(title: str, ours: Series, peer: Series, bar: float | None) -> Row:
    """Return how many times the peer's requests per second ours are: in each round, as the two took turns."""
    void = ours.void or peer.void
    pairs = zip(ours.requests.values, peer.requests.values, strict=False)
    values = () if void else tuple(mine / theirs for mine, theirs in pairs)
    return Row(title, values, "x", bar, is_floor=True, void=void)


def table(series: Iterable[Series]) -> Table:
    """Return what is told of every server."""
    return Table(HEAD, tuple(_told(one) for one in series))


def documents(series: Mapping[str, Series]) -> dict[str, Json]:
    """Return all samples as JSON, by the name of the server."""
    return {one.subject.name: one.document() for one in series.values()}


def commands(series: Mapping[str, Series]) -> tuple[str, ...]:
    """Return the command lines of those servers that could be started."""
    return tuple(one.subject.shown for one in series.values() if one.subject.command)


def typical(series: Series, name: str, form: str) -> str:
    """Return the median of one field of the samples, for a table."""
    return f"{median(getattr(sample, name) for sample in series.samples):{form}}"


def _told(one: Series) -> tuple[str, ...]:
    if one.void or not one.samples:
        return (one.subject.name, "-", "-", "-", "-", "-", "-", cell(one.void or "-"), _span(one.loads))
    return (
        one.subject.name,
        one.told,
        typical(one, "p50_ms", ".2f"),
        typical(one, "p99_ms", ".2f"),
        typical(one, "processor_us", ".1f"),
        typical(one, "memory_mib", ".0f"),
        typical(one, "load_generator", ".0%"),
        "0",
        _span(one.loads),
    )


def _once(series: Series, seconds: int, how: Callable[[Server, int], Sample]) -> None:
    try:
        with serving(series.subject) as server:
            series.loads.append(machine.load())
            series.samples.append(how(server, seconds))
    except (MeasurementError, OSError, subprocess.SubprocessError) as error:
        series.void = reason(error)


def _rounded(sample: Sample) -> dict[str, Json]:
    return {
        name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(sample).items()
    }


def _line(series: Iterable[Series]) -> str:
    return ", ".join(f"{one.subject.name} {_latest(one)}" for one in series)


def _latest(one: Series) -> str:
    return cell(one.void) if one.void else f"{one.samples[-1].requests_per_second:,.0f}"


def _span(values: list[float]) -> str:
    return f"{min(values):.1f} - {max(values):.1f}" if values else "-"
