"""`wisp schema`: prints the JSON Schema of the manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.errors import WispError
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
    target: Path | None = arguments.output
    if target is None:
        sys.stdout.write(text)
        return 0
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {output.short(target)}: {error.strerror}"
        raise WispError(message) from error
    print(f"wrote {output.short(target)}", file=sys.stderr)
    return 0
