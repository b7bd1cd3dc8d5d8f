"""From measurements to JSON, and from that JSON to the tables of docs/benchmarks.md."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.call_rows import COLUMNS, OURS
from harness.paths import DOCUMENT, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.calls import Calls, Measured
    from harness.load import Sample
    from harness.neighbours import Late
    from harness.rows import Group, Row, Series
    from harness.steady import Steady

BEGIN = "<!-- results: written by benches/run.py -->"
END = "<!-- end of results -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    def text(self, form: str = ",.0f") -> str:
        """Return the median, with the least and the greatest."""
        return f"{self.median:{form}} ({min(self.values):{form}} - {max(self.values):{form}})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row, measured."""

    title: str
    peer: str
    """The peer's figure, or why there is none."""

    ours: str
    ratio: float | None
    bar: float | None

    @property
    def met(self) -> str:
        """Whether the bar is met, for the table."""
        if self.bar is None:
            return "-"
        return "yes" if self.ratio is not None and self.ratio >= self.bar else "**no**"


@dataclass(frozen=True, slots=True)
class Started:
    """One kind of start, measured."""

    title: str
    command: str
    milliseconds: Figure
    bar: float | None

    @property
    def met(self) -> str:
        """Whether the bar is met, for the table."""
        if self.bar is None:
            return "-"
        return "yes" if self.milliseconds.median <= self.bar else "**no**"


@dataclass(frozen=True, slots=True)
class Report:
    """One whole run."""

    machine: dict[str, str]
    method: str
    measured: Sequence[tuple[Group, dict[str, Series]]]
    starts: Sequence[Started]
    calls: Calls | None
    steady: Sequence[Steady] = ()
    late: Sequence[Late] = ()

    def comparisons(self) -> Iterator[Comparison]:
        """Return all rows of the first table."""
        for group, series in self.measured:
            for row in group.rows:
                yield compare(row, series)

    @property
    def is_void(self) -> bool:
        """Whether something could not be measured."""
        return any(one.void for group, series in self.measured if group.rows for one in series.values())

    def markdown(self) -> str:
        """Return the tables."""
        parts = (
            self._throughput(),
            self._everybody(),
            self._steady(),
            self._details(),
            self._starts(),
            self._calls(),
            self._late(),
        )
        tables = filter(None, ("\n".join(part) for part in parts))
        return "\n\n".join(["\n".join(self._facts()), *tables])

    def _facts(self) -> Iterator[str]:
        yield from (f"- {name}: {value}" for name, value in self.machine.items())
        yield f"- method: {self.method}"

    def _throughput(self) -> Iterator[str]:
        yield "| | `wasmtime serve`, requests/s | wisp, requests/s | ratio | at least | met |"
        yield "|---|---|---|---|---|---|"
        for row in self.comparisons():
            ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
            bar = "-" if row.bar is None else f"{row.bar:.1f}"
            yield f"| {row.title} | {row.peer} | {row.ours} | {ratio} | {bar} | {row.met} |"

    def _everybody(self) -> Iterator[str]:
        """Return the table of all servers, the fastest first; those that did not work come last."""
        for group, series in self.measured:
            if group.rows:
                continue
            ceiling = _median(series["hyper"]) if "hyper" in series else None
            yield "| server | requests/s | of native hyper | p50, ms | p99, ms | processor time per request, µs | memory, MiB |"
            yield "|---|---|---|---|---|---|---|"
            ordered = sorted(series.values(), key=lambda one: _median(one) or 0.0, reverse=True)
            yield from (_server(one, ceiling) for one in ordered)

    def _steady(self) -> Iterator[str]:
        """Return the table of latencies at a fixed rate."""
        if not self.steady:
            return
        yield "| server, at a fixed rate | requests/s | p50, ms | p99, ms | p99.9, ms | most, ms |"
        yield "|---|---|---|---|---|---|"
        yield from (_at_rate(one) for one in self.steady)

    def _details(self) -> Iterator[str]:
        yield "| server | p50, ms | p99, ms | processors: server | processors: wrk | load before |"
        yield "|---|---|---|---|---|---|"
        for _, series in self.measured:
            yield from (_detail(one) for one in series.values() if one.samples)

    def _starts(self) -> Iterator[str]:
        yield "| from process start to the first answer | ms | at most | met |"
        yield "|---|---|---|---|"
        for row in self.starts:
            bar = "-" if row.bar is None else f"{row.bar:.0f}"
            yield f"| {row.title} | {row.milliseconds.text('.1f')} | {bar} | {row.met} |"

    def _calls(self) -> Iterator[str]:
        if self.calls is None:
            return
        yield f"| one call | {OURS} | at most | met | {' | '.join(COLUMNS)} |"
        yield f"|---|---|---|---|{'---|' * len(COLUMNS)}"
        yield from (_call(one) for one in self.calls.rows)

    def _late(self) -> Iterator[str]:
        """Return the table of how late a light component answers beside a hostile one."""
        if not self.late:
            return
        yield "| a light component, while another | p50, ms | p99, ms | requests |"
        yield "|---|---|---|---|"
        yield from (f"| {one.attack} | {one.p50:.2f} | {one.p99:.2f} | {one.count:,} |" for one in self.late)

    def document(self) -> dict[str, object]:
        """Return the JSON."""
        return {
            "machine": self.machine,
            "method": self.method,
            "rows": [
                {**asdict(row), "met": row.met == "yes" if row.bar else None} for row in self.comparisons()
            ],
            "servers": {
                one.subject.name: {
                    "command": one.subject.shown,
                    "void": one.void,
                    "samples": [_rounded(sample) for sample in one.samples],
                    "load_before": one.loads,
                }
                for _, series in self.measured
                for one in series.values()
            },
            "starts": [
                {
                    "title": row.title,
                    "command": row.command,
                    "bar_ms": row.bar,
                    "samples_ms": [round(value, 2) for value in row.milliseconds.values],
                }
                for row in self.starts
            ],
            "steady": [
                {"server": one.subject.name, "rate": one.rate, "void": one.void, "samples": one.samples}
                for one in self.steady
            ],
            "late": [asdict(one) for one in self.late],
            "calls": self._called(),
        }

    def _called(self) -> list[dict[str, object]]:
        return [
            {
                "title": one.row.title,
                "bar_ns": one.row.bar,
                "samples_ns": {
                    column: [round(value, 1) for value in values] for column, values in one.figures.items()
                },
            }
            for one in (self.calls.rows if self.calls else ())
        ]

    def write(self) -> None:
        """Replace the results in the repository."""
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(f"{json.dumps(self.document(), indent=1)}\n", encoding="utf-8")
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        text = f"{before}{BEGIN}\n\n{self.markdown()}\n\n{self._commands()}\n\n{END}{after}"
        DOCUMENT.write_text(text, encoding="utf-8")

    def _commands(self) -> str:
        lines = [one.subject.shown for _, series in self.measured for one in series.values()]
        lines += [row.command for row in self.starts]
        lines += self.calls.commands if self.calls else ()
        return "\n".join(["```text", *dict.fromkeys(lines), "```"])


def _median(series: Series) -> float | None:
    return requests(series).median if series.samples and not series.void else None


def _server(series: Series, ceiling: float | None) -> str:
    name = series.subject.name
    if series.void or not series.samples:
        return f"| {name} | {_told(series)} | - | - | - | - | - |"
    share = f"{requests(series).median / ceiling:.0%}" if ceiling else "-"
    samples = series.samples
    cells = (
        _told(series),
        share,
        f"{median(sample.p50_ms for sample in samples):.2f}",
        f"{median(sample.p99_ms for sample in samples):.2f}",
        f"{median(sample.processor_us for sample in samples):.1f}",
        f"{median(sample.memory_mib for sample in samples):.0f}",
    )
    return f"| {name} | {' | '.join(cells)} |"


def _at_rate(steady: Steady) -> str:
    if steady.void or not steady.samples:
        return f"| {steady.subject.name} | {(steady.void or '-').splitlines()[0]} | - | - | - | - |"
    names = ("p50_ms", "p99_ms", "p999_ms", "most_ms")
    cells = (f"{median(sample[name] for sample in steady.samples):.2f}" for name in names)
    return f"| {steady.subject.name} | {steady.rate:,} | {' | '.join(cells)} |"


def compare(row: Row, series: dict[str, Series]) -> Comparison:
    """Put the medians of two servers beside each other."""
    peer, ours = series[row.peer], series[row.ours]
    ratio = None
    if not peer.void and not ours.void:
        ratio = requests(ours).median / requests(peer).median
    return Comparison(row.title, _told(peer), _told(ours), ratio and round(ratio, 3), row.bar)


def requests(series: Series) -> Figure:
    """Return the requests per second of a server."""
    return Figure(tuple(sample.requests_per_second for sample in series.samples))


def _told(series: Series) -> str:
    if series.void:
        return series.void.splitlines()[0].replace("|", "/")
    return requests(series).text()


def _call(measured: Measured) -> str:
    """Return one row of the table of calls: what each peer takes, and how many times ours that is."""
    ours = Figure(tuple(measured.figures[OURS]))
    bar = measured.row.bar
    met = "-" if bar is None else "yes" if ours.median <= bar else "**no**"
    cells = [_time(ours), "-" if bar is None else _unit(bar), met]
    for column in COLUMNS:
        values = measured.figures.get(column)
        figure = Figure(tuple(values)) if values else None
        cells.append("-" if figure is None else f"{_time(figure)}, {_short(figure.median / ours.median)} x")
    return f"| {measured.row.title} | {' | '.join(cells)} |"


def _time(figure: Figure) -> str:
    """Return the median, with the least and the greatest, in the median's unit."""
    name, size = _scale(figure.median)
    middle, least, most = (
        _short(value / size) for value in (figure.median, min(figure.values), max(figure.values))
    )
    return f"{middle} {name} ({least} - {most})"


def _short(value: float) -> str:
    """Return a number with three digits, or whole."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"  # noqa: PLR2004 - where three digits end


def _unit(nanoseconds: float) -> str:
    name, size = _scale(nanoseconds)
    return f"{nanoseconds / size:g} {name}"


def _scale(nanoseconds: float) -> tuple[str, float]:
    """Return the unit in which a time is read best."""
    for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return name, size
    return "ns", 1.0


def _detail(series: Series) -> str:
    samples = series.samples
    cells = (
        f"{median(sample.p50_ms for sample in samples):.2f}",
        f"{median(sample.p99_ms for sample in samples):.2f}",
        f"{median(sample.server for sample in samples):.0%}",
        f"{median(sample.load_generator for sample in samples):.0%}",
        _span(series.loads),
    )
    return f"| {series.subject.name} | {' | '.join(cells)} |"


def _span(values: Iterable[float]) -> str:
    known = sorted(values)
    return f"{known[0]:.1f} - {known[-1]:.1f}"


def _rounded(sample: Sample) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(sample).items()}
