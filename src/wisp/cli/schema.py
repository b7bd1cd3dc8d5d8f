"""`wisp schema`: prints the JSON Schema of the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.manifest import schema

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp schema`."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the schema to a file instead of standard output",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print or write the schema."""
    text = schema.dumps()
    output.deliver(text, arguments.output)
    return 0
