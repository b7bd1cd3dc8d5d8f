"""`wisp rollback`: has an app of a lattice go back to an earlier version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.records import App
    from wisp.lattice.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp rollback`."""
    parser.add_argument("app", metavar="APP", help="the app's name")
    parser.add_argument(
        "--to", type=int, metavar="REVISION", help="the version of this revision (default: the one before)"
    )
    placing.add_waiting(parser)
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Go back, wait, and say what has come of it."""

    async def change(lattice: State) -> App:
        from wisp.lattice.commands.control import rollback  # noqa: PLC0415 - the help does not need it

        return await rollback(lattice, arguments.app, arguments.to)

    return placing.carry_out(arguments, change, output.Progress(quiet=arguments.json))
