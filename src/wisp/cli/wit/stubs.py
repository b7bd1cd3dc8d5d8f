"""`wisp wit stubs`: types for Python, so that mypy and editors know a component."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.wit.worlds import choose
from wisp.wit import read, stubs
from wisp.wit.names import type_name

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit stubs`."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a component, or a folder or a file with a world"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the .pyi (default: standard output)"
    )
    parser.add_argument("-w", "--world", metavar="NAME", help="the world (default: the only one there is)")
    parser.add_argument(
        "--name", metavar="CLASS", help="the class of instances (default: the file's, or the world's)"
    )
    parser.add_argument("--sync", action="store_true", help="write plain functions, for wisp.sync")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the types."""
    path: Path = arguments.path
    wit = read.read(path)
    world = wit.world or wit.worlds[choose(wit, arguments.world, path)]
    word = path.stem if wit.world is not None else world.name
    name = arguments.name or type_name(re.sub(r"\W+|_", "-", word).strip("-")) or "Component"
    text = stubs.write(wit, world, stubs.Options(name, title=f"`{path.name}`", sync=arguments.sync))
    output.deliver(text, arguments.output)
    return 0
