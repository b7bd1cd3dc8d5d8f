"""`wisp rollback`: has an app of a lattice go back to an earlier version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli import placing, reach

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.standing import Standing
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

    async def work(lattice: State) -> Standing:
        from wisp.lattice.control import rollback  # noqa: PLC0415 - the help does not need it

        return await placing.wait(lattice, await rollback(lattice, arguments.app, arguments.to), arguments)

    return placing.conclude(reach.with_lattice(arguments, work), arguments)
