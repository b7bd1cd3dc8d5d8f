"""`wisp scale`: changes on how many hosts of a lattice an app runs, and on which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach
from wisp.cli.parser import UsageError

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.records import App
    from wisp.lattice.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp scale`."""
    parser.add_argument("app", metavar="APP", help="the app's name")
    placing.add_placing(parser)
    placing.add_waiting(parser)
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Change it, wait, and say what has come of it."""
    changes = placing.changes(arguments)
    if not changes:
        raise UsageError("say what to change: --replicas, --require, --spread or --weight")

    async def change(lattice: State) -> App:
        from wisp.lattice.commands.control import scale  # noqa: PLC0415 - the help does not need it

        return await scale(lattice, arguments.app, changes)

    return placing.carry_out(arguments, change, output.Progress(quiet=arguments.json))
