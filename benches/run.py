#!/usr/bin/env python3
"""Measures wisp side by side with Wasmtime, in one run, and writes docs/benchmarks.md. `make bench` runs it.

Each server runs alone, the two sides take turns, and every answer must be good: a row with any other is void.
`--only neighbours` measures how late a light component answers while another one takes what it can.
With --quick the whole takes about three minutes and its figures are only printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from harness import calls, components, load, machine, neighbours, peers, report, rows, starts, steady
from harness.report import Figure, Report, Started
from harness.servers import MeasurementError


def main() -> int:
    """Measure, and return the exit code: 1 when something could not be measured. A bar that is missed is told, not failed."""
    options = _options()
    try:
        wrk = load.require_wrk()
        facts = machine.describe(wrk)
        _say("building the guests and compiling them for both sides")
        built = components.prepare()
        result = _measure(options, built, facts)
    except (MeasurementError, FileNotFoundError, subprocess.SubprocessError) as error:
        _say(f"error: {error}")
        return 1
    print(f"\n{result.markdown()}\n")
    if options.writes:
        result.write()
        _say("written: docs/benchmarks.md, benches/results/latest.json")
    return 1 if result.is_void else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure wisp side by side with Wasmtime.")
    parser.add_argument("--rounds", type=int, help="measurements of each server (default: 5)")
    parser.add_argument("--seconds", type=int, help="of load for each measurement (default: 4)")
    parser.add_argument(
        "--quick", action="store_true", help="few and short rounds, for trying; nothing is written"
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        help="measure one group only, or `starts`, `calls`, `neighbours`; or what is measured only so: `peers` (wisp beside"
        " servers of other kinds) and `steady` (latency at a fixed rate); nothing is written",
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.writes = not options.quick and not options.only
    return options


def _measure(options: argparse.Namespace, built: components.Components, facts: dict[str, str]) -> Report:
    groups = rows.groups(built)
    names = [*(group.name for group in groups), "peers", "steady", "neighbours", "starts", "calls"]
    if options.only and options.only not in names:
        message = f"there is no group {options.only}; there are {', '.join(names)}"
        raise MeasurementError(message)
    peer, ours = groups[0].subjects["wasmtime"], components.app(built.rust_p2, "fresh")
    started = [_started(row, options) for row in starts.rows(ours, peer) if options.only in {None, "starts"}]
    wanted = [group for group in groups if options.only in {None, group.name}]
    measured = [(group, rows.run(group, options.rounds, options.seconds, _say)) for group in wanted]
    if options.only == "peers":
        everybody = rows.everybody(built, peers.prepared(peers.ALL, built))
        measured.append((everybody, rows.run(everybody, options.rounds, options.seconds, _say)))
    fixed = _steady(options, groups[0], measured) if options.only == "steady" else ()
    called = calls.measure(options.rounds, _say) if options.only in {None, "calls"} else None
    late = neighbours.measure(options.seconds, _say) if options.only in {None, "neighbours"} else ()
    method = (
        f"wrk with 1 thread and {load.CONNECTIONS} connections on the same machine, {options.rounds} rounds of "
        f"{options.seconds} s after {load.WARM_UP} s of warm-up, servers in turn; medians (least - greatest)"
    )
    return Report(facts, method, measured, started, called, fixed, late)


def _steady(
    options: argparse.Namespace, fresh: rows.Group, measured: list[tuple[rows.Group, dict[str, rows.Series]]]
) -> list[steady.Steady]:
    """Measure latencies at half of what the peer can do, found in this run."""
    known = next((series for group, series in measured if group.name == fresh.name), None)
    series = known or rows.run(fresh, 1, options.seconds, _say)
    rate = int(steady.SHARE * report.requests(series["wasmtime"]).median)
    subjects = [fresh.subjects["wasmtime"], fresh.subjects["wisp"]]
    return steady.measure(subjects, rate, options.rounds, options.seconds, _say)


def _started(row: starts.StartRow, options: argparse.Namespace) -> Started:
    row.once()  # fills the caches
    count = (5 if options.quick else 20) if "worker" in row.title else (3 if options.quick else 10)
    figure = Figure(tuple(row.once() for _ in range(count)))
    _say(f"{row.title}: {figure.text('.1f')} ms")
    return Started(row.title, row.command, figure, row.bar)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
