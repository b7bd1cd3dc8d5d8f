"""The plots of docs/benchmarks.md, drawn from the JSON of a run.

`python -m harness.plots`, in `benches/`, draws those of the committed run again.
"""

from __future__ import annotations

import json
import math
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from harness.chart import DASHES, Axis, Bar, Line, bars, lines
from harness.paths import DOCUMENT, RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Parts = Any
"""What `Report.document` has under `parts`, as JSON gives it back."""

MEGABYTE: Final = 10**6
MARKS: Final = 5
_PERCENTILES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def throughput(parts: Parts) -> str | None:
    """Return how many requests each server answers, the fastest first; None when that was not measured."""
    servers = _servers(parts.get("peers"))
    rows = sorted((_bar(name, one) for name, one in servers.items()), key=lambda row: -row.middle)
    if not rows:
        return None
    return bars("Requests per second", "a closed loop; the thin line goes from the least to the most", rows)


def latency(parts: Parts) -> str | None:
    """Return the latency at each percentile, at a fixed rate; None when that was not measured."""
    steady = parts.get("steady") or {}
    drawn: list[Line] = []
    for name, one in _servers(steady.get("servers")).items():
        if one["samples"] and not one["void"]:
            kind = _kind(name)
            dashes = DASHES[sum(line.kind == kind for line in drawn) % len(DASHES)]
            drawn.append(Line(name, list(_curve(one["samples"])), kind, dashes))
    if not drawn:
        return None
    across = Axis(
        "percentile: of 100 requests so many took no longer", [(_place(p), f"{p:g}") for p in _PERCENTILES]
    )
    values = [10**y for line in drawn for _, y in line.points]
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    up = Axis(
        f"milliseconds, at {steady['rate']:,} requests/s in an open loop",
        [(power, f"{10.0**power:g}") for power in powers],
    )
    return lines("Latency at a fixed rate", across, up, drawn)


def memory(parts: Parts) -> str | None:
    """Return the memory of a host by how many components it has deployed; None when that was not measured."""
    found = parts.get("density")
    if not isinstance(found, list) or not found:
        return None
    counts = sorted({one["count"] for one in found})
    names = {"memory": "memory of all processes (PSS)", "anonymous": "of it not of files"}
    drawn = [
        Line(label, [(_size(count), _megabytes(found, count, name)) for count in counts], "a", dashes)
        for (name, label), dashes in zip(names.items(), DASHES, strict=False)
    ]
    most = max(y for line in drawn for _, y in line.points)
    up = Axis("MB", [(mark, f"{mark:,g}") for mark in marks(most)])
    across = Axis("components deployed, none in use", [(_size(n), f"{n:,}" if n else "none") for n in counts])
    return lines("Memory against components", across, up, drawn)


def marks(most: float) -> list[float]:
    """Return round values from 0 to the first that reaches the most: five at most, besides 0."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(step for step in (power / 5, power / 2, power, 2 * power) if most / step <= MARKS)
    return [step * number for number in range(math.ceil(most / step) + 1)]


PLOTTED: Final[Mapping[str, Callable[[Parts], str | None]]] = {
    "throughput": throughput,
    "latency": latency,
    "memory": memory,
}


TITLES: Final = {
    "throughput": "Requests per second of all servers",
    "latency": "Latency by percentile at a fixed rate",
    "memory": "Memory by number of deployed components",
}


def draw(parts: Parts) -> dict[str, str]:
    """Return all plots that the parts of a run are enough for, by name."""
    drawn = {name: plot(parts) for name, plot in PLOTTED.items()}
    return {name: text for name, text in drawn.items() if text is not None}


def folder(document: Path) -> Path:
    """Return where the plots of a document are."""
    return document.with_suffix("")


def write(parts: Parts, document: Path = DOCUMENT) -> None:
    """Replace the plots of a document; those that cannot be drawn now are removed."""
    place = folder(document)
    place.mkdir(exist_ok=True)
    drawn = draw(parts)
    for name in PLOTTED:
        path = place / f"{name}.svg"
        if name in drawn:
            path.write_text(drawn[name], encoding="utf-8")
        else:
            path.unlink(missing_ok=True)


def _servers(found: Parts) -> Mapping[str, Any]:
    """Return the servers of a part; none when it could not be measured."""
    return {name: one for name, one in (found or {}).items() if isinstance(one, dict)}


def _bar(name: str, one: Any) -> Bar:  # noqa: ANN401 - as JSON gives it
    values = [sample["requests_per_second"] for sample in one["samples"]]
    kind = _kind(name)
    if one["void"] or not values:
        return Bar(name, 0, 0, 0, "did not work: see the table", kind)
    middle = median(values)
    return Bar(name, middle, min(values), max(values), f"{middle:,.0f}", kind)


def _kind(name: str) -> str:
    """Return the colour of a server: one for wisp, one for the reference, one for all others."""
    return next((kind for word, kind in (("wisp", "a"), ("wasmtime", "b")) if name.startswith(word)), "c")


def _curve(samples: Sequence[Any]) -> Iterator[tuple[float, float]]:
    """Return the median of the rounds at each percentile that the axis has room for, with the logarithm of the latency."""
    for number, percentile in enumerate(samples[0]["percentiles"]):
        if percentile <= _PERCENTILES[-1]:
            value = median(sample["latencies_ms"][number] for sample in samples)
            yield _place(percentile), math.log10(value)


def _place(percentile: float) -> float:
    """Return how many nines a percentile has, so that the tail has room."""
    return -math.log10(1 - percentile / 100)


def _size(count: int) -> float:
    """Return where a count lies on an axis that grows tenfold; none lies where one would."""
    return math.log10(count) if count else 0.0


def _megabytes(found: Sequence[Any], count: int, name: str) -> float:
    values: list[float] = [one[name] for one in found if one["count"] == count]
    return median(values) / MEGABYTE


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text(encoding="utf-8"))["parts"])
