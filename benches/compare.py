#!/usr/bin/env python3
"""Shows what a change did: micro-benchmarks and counts of another revision and of this tree. `make bench-compare` runs it.

The other revision is checked out beside and built with the same folder of cargo. The benches of both sides take turns, so that a
machine that is busy for a while disturbs both. Counts are exact: see guard.py.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comparing import building, checkout, criterion, table, tools
from comparing.checkout import RevisionError

from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comparing.building import Side
    from counting.expected import Counts

ROOT = Path(__file__).resolve().parent.parent
GUARD = ROOT / "benches" / "guard.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return the exit code: what is slower fails nothing."""
    options = _options(arguments)
    # Whoever ends us lets us clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _compare(options)
    except (RevisionError, OSError, subprocess.CalledProcessError) as error:
        _say(f"compare: error: {error}")
        return 2
    except KeyboardInterrupt:
        _say("compare: stopped, and cleaned up")
        return 130
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Show what changed since another revision.")
    parser.add_argument("base", help="the revision that is compared with")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each bench (default: 5)")
    parser.add_argument("--only", metavar="REGEX", help="measure only benches whose name matches")
    parser.add_argument("--folder", type=Path, help="where the revision is checked out (default: the cache)")
    return parser.parse_args(arguments)


def _compare(options: argparse.Namespace) -> None:
    revision = checkout.resolve(ROOT, options.base)
    folder = options.folder or Cache.open().folder("work", "compare")
    with (
        tempfile.TemporaryDirectory(prefix="programs-", dir=folder) as programs,
        checkout.checked_out(ROOT, revision, folder) as base,
    ):
        _say(f"compare: building {revision}")
        before = building.build("before", base, Path(programs))
        _say("compare: building this tree")
        now = building.build("now", ROOT, Path(programs))
        measured = _measure(before, now, Path(programs) / "criterion", options)
        counted = [_count(side) for side in (before, now)]
    print(
        f"\nBefore: {revision}. Medians of {options.rounds} rounds in turn, with the least and the greatest.\n"
    )
    print("\n".join(table.benches(measured)))
    _print_counts(*counted)


def _measure(before: Side, now: Side, home: Path, options: argparse.Namespace) -> dict[str, table.Times]:
    rounds = range(options.rounds)
    for number in rounds:
        for bench in dict.fromkeys((*now.benches, *before.benches)):
            for side in (before, now):
                if bench in side.benches:
                    _say(f"compare: round {number + 1} of {options.rounds}: {bench}, {side.name}")
                    criterion.run(side.benches[bench], home, f"{side.name}-{number}", options.only)
    base, current = (
        [criterion.medians(home, f"{side.name}-{number}") for number in rounds] for side in (before, now)
    )
    return table.times(base, current)


def _count(side: Side) -> dict[str, Any] | None:
    """Count what requests take of a worker; None where it does not understand what today's command line tells it."""
    _say(f"compare: counting what requests take, {side.name}")
    allocations = ["--counted", str(side.counted)] if side.counted else ["--no-allocations"]
    command = [sys.executable, str(GUARD), "--json", "--worker", str(side.worker), *allocations]
    try:
        counted: dict[str, Any] = json.loads(tools.run(command))
    except subprocess.CalledProcessError:
        return None
    return counted


def _print_counts(before: dict[str, Any] | None, now: dict[str, Any] | None) -> None:
    if now is None:
        print("\nWhat requests take could not be counted: see above.")
        return
    if before is None:
        print("\nWhat requests took before could not be counted: see above.")
    base: Counts = before["counts"] if before else {}
    print("\nCounted, for one request:\n")
    print("\n".join(table.counts(base, now["counts"], now["requests"])))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
