"""What is compared with what: groups of servers that are measured in turn, and the rows that are read from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import machine
from harness.load import Sample, measure
from harness.servers import MeasurementError, Subject, apart, serving, wasmtime, wisp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.components import Components


_TWO_TABLES = ("-O", "pooling-max-tables-per-module=2")
"""A merged component has one module with two tables; the peer's pool expects one unless it is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    title: str
    peer: str
    ours: str
    bar: float | None
    """Times the peer's requests per second that ours must reach."""


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that are measured one after the other, round by round."""

    name: str
    subjects: Mapping[str, Subject]
    rows: tuple[Row, ...]

    void: Mapping[str, str] = field(default_factory=dict)
    """By subject: why it cannot be measured at all."""


@dataclass(slots=True)
class Series:
    """All measurements of one server; or why there are none that count."""

    subject: Subject
    samples: list[Sample] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    """Processes that ran or wanted to, a moment before each measurement."""

    void: str | None = None


def groups(components: Components) -> tuple[Group, ...]:
    """Return everything that is compared."""
    return (_fresh(components), _reused(components), _concurrent(components), _python(components))


def everybody(components: Components, peers: Mapping[str, Subject | str]) -> Group:
    """Return wisp beside every peer: no bars, one table. A peer that could not be made ready is void from the beginning."""
    fresh = wasmtime(components.rust_p2, "fresh")
    subjects: dict[str, Subject] = {
        "wisp": wisp(components.rust_p2, "fresh"),
        "wisp-reused": wisp(components.rust_p2, "reused", reuse=128),
        "wisp-python": wisp(components.python_merged, "fresh"),
        "wasmtime": fresh,
        "wasmtime-apart": apart(fresh),
    }
    for name, peer in peers.items():
        subjects[name] = peer if isinstance(peer, Subject) else Subject(name, ())
    void = {name: peer for name, peer in peers.items() if isinstance(peer, str)}
    return Group("peers", subjects, (), void)


def _fresh(components: Components) -> Group:
    subjects = {
        "wasmtime": wasmtime(components.rust_p2, "fresh"),
        "wisp": wisp(components.rust_p2, "fresh"),
        "wisp-log": wisp(components.rust_p2, "fresh, access log", access_log=True),
    }
    rows = (
        Row("Rust, WASI 0.2, a fresh instance for each request", "wasmtime", "wisp", 2.5),
        Row("the same, wisp with its access log on", "wasmtime", "wisp-log", None),
    )
    return Group("rust-fresh", subjects, rows)


def _reused(components: Components) -> Group:
    subjects = {
        "wasmtime": wasmtime(components.rust_p2, "reused", "--max-instance-reuse-count", "128"),
        "wisp": wisp(components.rust_p2, "reused", reuse=128),
    }
    row = Row("Rust, WASI 0.2, 128 requests per instance", "wasmtime", "wisp", 1.2)
    return Group("rust-reused", subjects, (row,))


def _concurrent(components: Components) -> Group:
    subjects = {
        "wasmtime": wasmtime(components.rust_p3, "concurrent"),
        "wisp": wisp(components.rust_p3, "concurrent", reuse=128, concurrency=16),
    }
    row = Row("Rust, WASI 0.3, 128 requests per instance, 16 at once", "wasmtime", "wisp", 1.0)
    return Group("rust-p3", subjects, (row,))


def _python(components: Components) -> Group:
    subjects = {
        "wasmtime": wasmtime(components.python, "fresh"),
        "wisp": wisp(components.python_merged, "fresh"),
        "wasmtime-merged": wasmtime(components.python_merged, "fresh", *_TWO_TABLES),
    }
    rows = (
        Row("Python, WASI 0.2, a fresh instance for each request", "wasmtime", "wisp", 3.0),
        Row("the same, `wasmtime serve` with wisp's merged component too", "wasmtime-merged", "wisp", None),
    )
    return Group("python-fresh", subjects, rows)


def run(group: Group, rounds: int, seconds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Measure all servers of a group in turn, A B A B, each alone on the machine. A void one is not tried again."""
    series = {key: Series(subject, void=group.void.get(key)) for key, subject in group.subjects.items()}
    for number in range(1, rounds + 1):
        for one in series.values():
            if one.void is None:
                _once(one, seconds)
        say(f"{group.name} {number}/{rounds}: {_line(series.values())}")
    return series


def _once(series: Series, seconds: int) -> None:
    try:
        with serving(series.subject) as server:
            series.loads.append(machine.load())
            series.samples.append(measure(server, seconds))
    except MeasurementError as error:
        series.void = str(error)


def _line(series: Iterable[Series]) -> str:
    return ", ".join(
        f"{one.subject.name} {one.void or f'{one.samples[-1].requests_per_second:,.0f}'}" for one in series
    )
