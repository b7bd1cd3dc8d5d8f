"""`wisp scale`: changes on how many hosts of a lattice an app runs, and on which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli import placing, reach
from wisp.cli.parser import UsageError

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.standing import Standing
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

    async def work(lattice: State) -> Standing:
        from wisp.lattice.control import scale  # noqa: PLC0415 - the help does not need it

        return await placing.wait(lattice, await scale(lattice, arguments.app, changes), arguments)

    return placing.conclude(reach.with_lattice(arguments, work), arguments)
