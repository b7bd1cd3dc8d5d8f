"""`wisp wit check`: whether a component fits a world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.cli.wit.worlds import choose
from wisp.errors import WitError
from wisp.wit import diff, read

if TYPE_CHECKING:
    import argparse

    from wisp.wit.changes import Change


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit check`."""
    parser.add_argument("component", type=Path, metavar="COMPONENT", help="the component")
    parser.add_argument("wit", type=Path, metavar="WIT", help="a folder or a file with the world")
    parser.add_argument("-w", "--world", metavar="NAME", help="the world (default: the only one there is)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Let the validator decide, and say what differs when it does not like it."""
    target = read.read(arguments.wit)
    world = choose(target, arguments.world, arguments.wit)
    component = read.read(arguments.component)
    refusal = _refusal(arguments.component, arguments.wit, world)
    names = output.short(arguments.component), f"world {world}"
    changes = diff.misfits(component, target, world, names=names) if refusal else ()
    if arguments.json:
        wanted = [{"path": change.path, "subject": change.subject, "text": change.text} for change in changes]
        print(json.dumps({"fits": refusal is None, "message": refusal, "differences": wanted}, indent=2))
    elif refusal is None:
        print(f"{output.short(arguments.component)} fits world {world} of {target.package.name}")
    else:
        raise _misfit(arguments.component, f"{world} of {target.package.name}", changes, refusal)
    return 0 if refusal is None else 1


def _refusal(component: Path, wit: Path, world: str) -> str | None:
    try:
        native.wit_check(component.read_bytes(), wit, world=world)
    except WitError as error:
        return error.message
    return None


def _misfit(component: Path, world: str, changes: tuple[Change, ...], refusal: str) -> WitError:
    lines = [f"{output.short(component)} does not fit world {world}"]
    lines += [f"  {change.subject}: {change.text}" for change in changes]
    if not changes:
        lines.append(f"  {refusal}")
    hint = "build it against this world, or change the world"
    return WitError("\n".join(lines), hint=hint)
