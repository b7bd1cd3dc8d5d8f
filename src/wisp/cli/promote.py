"""`wisp promote`: has the canary of an app of a lattice take all requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.records import App
    from wisp.lattice.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp promote`."""
    parser.add_argument("app", metavar="APP", help="the app's name")
    placing.add_waiting(parser)
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Promote it, wait, and say what has come of it."""

    async def change(lattice: State) -> App:
        from wisp.lattice.commands.control import promote  # noqa: PLC0415 - the help does not need it

        return await promote(lattice, arguments.app)

    return placing.carry_out(arguments, change, output.Progress(quiet=arguments.json))
