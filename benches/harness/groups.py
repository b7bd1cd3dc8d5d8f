"""wisp beside `wasmtime serve`: groups of servers that take turns, and the ratios that are read from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness import series
from harness.section import Section, Table
from harness.servers import Subject, wasmtime, wisp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.components import Components
    from harness.part import Context


_TWO_TABLES = ("-O", "pooling-max-tables-per-module=2")
"""A merged component has one module with two tables; the peer's pool expects one unless it is told."""


@dataclass(frozen=True, slots=True)
class Ratio:
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
    subjects: Callable[[Components], Mapping[str, Subject]]
    ratios: tuple[Ratio, ...]

    def measure(self, context: Context) -> Section:
        """Measure all servers of the group in turn."""
        found = series.take_turns(self.name, self.subjects(context.components), context)
        return section(found, self.ratios)


def section(found: Mapping[str, series.Series], ratios: tuple[Ratio, ...]) -> Section:
    """Return what was found: the ratios, and what is told of each server."""
    rows = tuple(series.ratio(one.title, found[one.ours], found[one.peer], one.bar) for one in ratios)
    lines = tuple(
        (one.title, found[one.peer].told, found[one.ours].told, row.told, row.told_bar, row.met)
        for one, row in zip(ratios, rows, strict=True)
    )
    tables = (Table(series.RATIOS, lines), series.table(found.values()))
    return Section(tables, series.documents(found), rows, series.commands(found))


def _fresh(components: Components) -> Mapping[str, Subject]:
    return {
        "wasmtime": wasmtime(components.rust_p2, "fresh"),
        "wisp": wisp(components.rust_p2, "fresh"),
        "wisp-log": wisp(components.rust_p2, "fresh, access log", access_log=True),
    }


def _reused(components: Components) -> Mapping[str, Subject]:
    return {
        "wasmtime": wasmtime(components.rust_p2, "reused", "--max-instance-reuse-count", "128"),
        "wisp": wisp(components.rust_p2, "reused", reuse=128),
    }


def _concurrent(components: Components) -> Mapping[str, Subject]:
    return {
        "wasmtime": wasmtime(components.rust_p3, "concurrent"),
        "wisp": wisp(components.rust_p3, "concurrent", reuse=128, concurrency=16),
    }


def _python(components: Components) -> Mapping[str, Subject]:
    return {
        "wasmtime": wasmtime(components.python, "fresh"),
        "wisp": wisp(components.python_merged, "fresh"),
        "wasmtime-merged": wasmtime(components.python_merged, "fresh", *_TWO_TABLES),
    }


GROUPS: Final = (
    Group(
        "rust-fresh",
        _fresh,
        (
            Ratio("Rust, WASI 0.2, a fresh instance for each request", "wasmtime", "wisp", 3.0),
            Ratio("the same, wisp with its access log on", "wasmtime", "wisp-log", None),
        ),
    ),
    Group(
        "rust-reused",
        _reused,
        (Ratio("Rust, WASI 0.2, 128 requests per instance", "wasmtime", "wisp", 1.3),),
    ),
    Group(
        "rust-p3",
        _concurrent,
        (Ratio("Rust, WASI 0.3, 128 requests per instance, 16 at once", "wasmtime", "wisp", 1.25),),
    ),
    Group(
        "python-fresh",
        _python,
        (
            Ratio("Python, WASI 0.2, a fresh instance for each request", "wasmtime", "wisp", 4.0),
            Ratio(
                "the same, `wasmtime serve` with wisp's merged component too", "wasmtime-merged", "wisp", None
            ),
        ),
    ),
)
