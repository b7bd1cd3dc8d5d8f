"""`wisp wit init`: sets a guest project up for the world in its folder `wit`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.build import setup
from wisp.cli import output

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit init`."""
    parser.add_argument(
        "language", choices=setup.LANGUAGES, metavar="LANGUAGE", help=f"one of {', '.join(setup.LANGUAGES)}"
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="the project (default: this folder)",
    )
    parser.add_argument("-w", "--world", metavar="NAME", help="the world (default: the only one there is)")
    parser.add_argument(
        "--force", action="store_true", help="overwrite files that are there, whoever wrote them"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write, and say what was written and what comes next."""
    folder = arguments.folder.resolve()
    plan = setup.plan(folder, arguments.language, world=arguments.world)
    outcome = setup.apply(plan, folder, force=arguments.force)
    steps = [*plan.next, f"wisp build {output.short(folder)}".removesuffix(" .")]
    if arguments.json:
        document = {
            "written": outcome.written,
            "kept": outcome.kept,
            "removed": outcome.removed,
            "next": steps,
        }
        print(json.dumps(document, indent=2))
        return 0
    for word, names, colour in (
        ("wrote", outcome.written, "green"),
        ("kept", outcome.kept, "yellow"),
        ("removed", outcome.removed, "red"),
    ):
        for name in names:
            print(f"{output.paint(word.ljust(7), colour, stream=sys.stdout)}  {name}")
    print("\nnext steps:")
    print("\n".join(f"  {step}" for step in steps))
    return 0
