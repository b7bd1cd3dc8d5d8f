#!/usr/bin/env python3
"""Measures wisp side by side with Wasmtime and with other servers, in one run, and writes docs/benchmarks.md. `make bench` runs it.

Each server runs alone, all take turns, and every answer must be good: a row with any other is void.
What is measured stands in `harness/parts.py`. `make bench-quick` measures a little of it. Less than all is only printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness import components, load, machine, native, peers
from harness.part import Context, Part
from harness.parts import ALL, QUICK
from harness.report import Report
from harness.servers import MeasurementError
from harness.tools import reason

if TYPE_CHECKING:
    from harness.section import Section

FAILURES = (MeasurementError, OSError, subprocess.SubprocessError)


def main() -> int:
    """Measure, and return the exit code: 1 when something could not be measured. A bar that is missed is told, not failed."""
    options = _options()
    wanted = (
        QUICK if options.quick else [part for part in ALL if not options.only or part.name in options.only]
    )
    try:
        facts = machine.describe(peers.versions())
        _say("building the guests and compiling them for both sides")
        native.program("closed-loop")
        context = Context(components.prepare(), options.rounds, options.seconds, _say)
    except FAILURES as error:
        _say(f"error: {error}")
        return 1
    method = (
        f"closed loop, 1 thread and {load.CONNECTIONS} connections on the same machine, {options.rounds} rounds of "
        f"{options.seconds} s after {native.WARM_UP} s of warm-up, servers in turn; medians (least - greatest)"
    )
    began = time.monotonic()
    found = {part.name: _measured(part, context) for part in wanted}
    facts["took"] = _minutes(time.monotonic() - began)
    result = Report(facts, method, found)
    print(f"\n{result.markdown()}\n\n{result.bars()}\n")
    if options.json:
        result.save(options.json)
    if options.writes:
        result.write()
        _say("written: docs/benchmarks.md, benches/results/latest.json")
    # On a busy machine a server may be too late, and what noise can explain fails no change: the quick pass is run on each.
    return 1 if result.void or (result.is_void and not options.quick) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure wisp side by side with Wasmtime.")
    parser.add_argument("--rounds", type=int, help="measurements of each server (default: 5)")
    parser.add_argument("--seconds", type=int, help="of load for each measurement (default: 4)")
    parser.add_argument(
        "--quick", action="store_true", help="measure the ratios that have a bar, within three minutes"
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[part.name for part in ALL],
        help=f"measure one part only, or several; nothing is written. There are {', '.join(part.name for part in ALL)}",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write everything that was measured there too"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.writes = not options.quick and not options.only
    return options


def _measured(part: Part, context: Context) -> Section | str:
    """Measure one part, or say why it could not be: the others are measured all the same."""
    began = time.monotonic()
    try:
        return part.measure(context)
    except FAILURES as error:
        _say(f"{part.name} could not be measured: {error}")
        return reason(error)
    finally:
        _say(f"{part.name}: took {_minutes(time.monotonic() - began)}")


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
