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

from harness import calls, components, load, machine, neighbours, rows, starts
from harness.report import Figure, Report, Started
from harness.servers import MeasurementError


def main() -> int:
    """Measure, and return the exit code: 1 when something could not be measured. A bar that is missed is told, not failed."""
    options = _options()
    try:
        if options.only == "neighbours":
            return _neighbours(options)
        wrk = load.require_wrk()
        facts = machine.describe(wrk)
        _say("building the guests and compiling them for both sides")
        built = components.prepare()
        report = _measure(options, built, facts)
    except (MeasurementError, FileNotFoundError, subprocess.SubprocessError) as error:
        _say(f"error: {error}")
        return 1
    print(f"\n{report.markdown()}\n")
    if options.writes:
        report.write()
        _say("written: docs/benchmarks.md, benches/results/latest.json")
    return 1 if report.is_void else 0


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
        help="measure one group only, or `starts`, `calls` or `neighbours`; nothing is written",
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.writes = not options.quick and not options.only
    return options


def _neighbours(options: argparse.Namespace) -> int:
    print("\n| while another component | p50 ms | p99 ms | requests |\n|---|---|---|---|")
    for late in neighbours.measure(options.seconds, _say):
        print(f"| {late.attack} | {late.p50:.2f} | {late.p99:.2f} | {late.count} |")
    return 0


def _measure(options: argparse.Namespace, built: components.Components, facts: dict[str, str]) -> Report:
    groups = rows.groups(built)
    names = [*(group.name for group in groups), "starts", "calls"]
    if options.only and options.only not in names:
        message = f"there is no group {options.only}; there are {', '.join(names)}"
        raise MeasurementError(message)
    peer, ours = groups[0].subjects["wasmtime"], components.app(built.rust_p2, "fresh")
    started = [_started(row, options) for row in starts.rows(ours, peer) if options.only in {None, "starts"}]
    wanted = [group for group in groups if options.only in {None, group.name}]
    measured = [(group, rows.run(group, options.rounds, options.seconds, _say)) for group in wanted]
    called = calls.measure(options.rounds, _say) if options.only in {None, "calls"} else None
    method = (
        f"wrk with 1 thread and {load.CONNECTIONS} connections on the same machine, {options.rounds} rounds of "
        f"{options.seconds} s after {load.WARM_UP} s of warm-up, servers in turn; medians (least - greatest)"
    )
    return Report(facts, method, measured, started, called)


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
