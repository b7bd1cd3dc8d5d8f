#!/usr/bin/env python3
"""Counts what requests take of the worker, and fails when that is not what benches/guard.toml says. `make guard` runs it.

What is counted is the same in every run and on every machine: system calls and allocations. Where a change needs more of
them, `make guard REASON="..."` writes the new numbers down with the reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from counting import expected, sequences
from counting.expected import NumbersError
from counting.sequences import ALLOCATIONS, REQUESTS, SYSTEM_CALLS
from counting.served import ServingError, first_frame
from counting.trace import TraceError

from wisp.errors import WispError
from wisp.host import binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BENCHES = Path(__file__).resolve().parent
ROOT = BENCHES.parent
APP = BENCHES / "guests" / "guard"


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, compare, and return the exit code."""
    options = _options(arguments)
    if sys.platform != "linux":
        _say("guard: nothing is counted: only Linux tells the system calls of a thread")
        return 0
    try:
        counted = _count(options)
        if options.json:
            print(json.dumps({"requests": REQUESTS, "counts": counted}, indent=2))
            return 0
        return _conclude(options, counted)
    except (NumbersError, ServingError, TraceError, WispError, OSError, subprocess.SubprocessError) as error:
        _say(f"guard: error: {error}")
        return 2


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Count what requests take of the worker.")
    parser.add_argument("--numbers", type=Path, default=BENCHES / "guard.toml", help="what is compared with")
    parser.add_argument("--reason", help="write the numbers down that are new, for this reason")
    parser.add_argument("--json", action="store_true", help="print what was counted, compare nothing")
    parser.add_argument("--only", metavar="SEQUENCE", help="count one sequence only")
    parser.add_argument("--worker", type=Path, help="count this worker's system calls")
    parser.add_argument(
        "--counted", type=Path, help="count the allocations of this one; without, cargo builds it"
    )
    parser.add_argument("--no-allocations", action="store_true", help="count system calls only")
    return parser.parse_args(arguments)


def _count(options: argparse.Namespace) -> expected.Counts:
    chosen = [sequence for sequence in sequences.ALL if options.only in {None, sequence.name}]
    if not chosen:
        message = (
            f"there is no sequence {options.only}; there are {', '.join(one.name for one in sequences.ALL)}"
        )
        raise NumbersError(message)
    worker = options.worker or binary.find()
    counted = None if options.no_allocations else options.counted or build_counted()
    frame, written = first_frame(APP), expected.read(options.numbers)
    counts: expected.Counts = {}
    for sequence in chosen:
        known = written.get(sequence.name, {})
        calls = sequences.system_calls(worker, frame, sequence, known.get(SYSTEM_CALLS))
        counts[sequence.name] = {SYSTEM_CALLS: dict(calls)}
        if counted:
            blocks = sequences.allocations(counted, frame, sequence, known.get(ALLOCATIONS))
            counts[sequence.name][ALLOCATIONS] = dict(blocks)
    return counts


def build_counted(root: Path = ROOT) -> Path:
    """Build the worker that counts its allocations, and return its path."""
    command = ("cargo", "build", "--release", "--locked", "-p", "wisp-worker", "--bench", "counted")
    output = subprocess.run(
        [*command, "--message-format", "json-render-diagnostics"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    messages = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    built = [one["executable"] for one in messages if one.get("target", {}).get("name") == "counted"]
    return Path(built[-1])


def _conclude(options: argparse.Namespace, counted: expected.Counts) -> int:
    print("\n".join(_table(counted)))
    differences = list(expected.differences(expected.read(options.numbers), counted, REQUESTS))
    if not differences:
        print("guard: every count is as written down")
        return 0
    for difference in differences:
        _say(f"guard: {difference}")
    if options.reason and options.reason.strip():
        expected.write(options.numbers, counted, options.reason.strip())
        _say(f"guard: written down in {options.numbers}")
        return 0
    _say('guard: if that is what the change is meant to do, write it down: make guard REASON="why"')
    return 1


def _table(counted: expected.Counts) -> Iterator[str]:
    for sequence, kinds in counted.items():
        for kind, counts in kinds.items():
            each = (
                f"{name} {count / REQUESTS:.2f}".removeprefix(f"{kind} ")
                for name, count in sorted(counts.items())
            )
            yield f"{sequence:12} {kind} for a request: {', '.join(each)}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
