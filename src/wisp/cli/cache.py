"""`wisp cache`: shows what is kept on disk, and deletes what can be had again."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from wisp.cli import output
from wisp.cli.parser import UsageError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.registry.cache import Usage

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MEANINGS: Final = {
    "components": "components, built and fetched",
    "builds": "which component a build gave",
    "artifacts": "compiled components",
    "work": "what builders keep between builds",
    "toolchains": "tools that builds needed",
    "locks": "locks",
    "rust-wasi": "Rust for WASI, for developing wisp; not pruned",
    "target": "cargo's, for developing wisp; not pruned",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with the cache."""

    prune: bool
    older_than: float | None
    """Seconds."""

    json: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp cache`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=["show", "prune"],
        default="show",
        help="show it (the default), or prune it",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--older-than",
        type=_age,
        metavar="AGE",
        help="prune what was not used for so long: 12h, 30d, 8w (default: 30d)",
    )
    which.add_argument("--all", action="store_true", help="prune everything that can be had again, tools too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show or prune the cache."""
    options = _options(arguments)
    cache = Cache.open()
    usage = cache.prune(older_than=options.older_than) if options.prune else cache.usage()
    if options.json:
        kinds = [asdict(entry) for entry in usage]
        answer = {"root": str(cache.root), "pruned": options.prune, "kinds": kinds, "size": _sum(usage)}
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(_screen(cache.root, usage, pruned=options.prune)))
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    prune = arguments.action == "prune"
    if not prune and (arguments.all or arguments.older_than is not None):
        message = "`--all` and `--older-than` belong to `wisp cache prune`"
        raise UsageError(message)
    older_than = None if arguments.all else arguments.older_than or 30.0 * _UNITS["d"]
    return Options(prune=prune, older_than=older_than, json=arguments.json)


def _screen(root: Path, usage: Sequence[Usage], *, pruned: bool) -> list[str]:
    if not usage:
        return [f"{root}: nothing to prune" if pruned else f"{root}: empty"]
    rows = [
        (entry.kind, output.size(entry.size), f"{entry.files} files", _MEANINGS.get(entry.kind, ""))
        for entry in usage
    ]
    total = output.paint(output.size(_sum(usage)), "bold", stream=sys.stdout)
    head = f"{root}: removed {total}" if pruned else f"{root}: {total}"
    return [head, *output.columns(rows)]


def _sum(usage: Sequence[Usage]) -> int:
    return sum(entry.size for entry in usage)


def _age(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None:
        message = f"an age is a number with m, h, d or w, such as 30d, not `{text}`"
        raise argparse.ArgumentTypeError(message)
    return float(int(found[1]) * _UNITS[found[2]])
