"""`wisp wit show`: prints what a component or a package describes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit show`."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a component, a folder with WIT, or a file with WIT"
    )
    parser.add_argument("--all", action="store_true", help="print the packages that it refers to as well")
    parser.add_argument("--json", action="store_true", help="print JSON, in the form of wit-parser")


def run(arguments: argparse.Namespace) -> int:
    """Print the text, or the JSON."""
    if arguments.json:
        document = json.loads(native.wit_read(arguments.path))
        print(json.dumps(document["resolve"], indent=2, ensure_ascii=False))
        return 0
    from wisp.wit import read  # noqa: PLC0415 - JSON needs no model

    wit = read.read(arguments.path)
    sys.stdout.write((wit.text if arguments.all else wit.package.text).rstrip("\n") + "\n")
    return 0
