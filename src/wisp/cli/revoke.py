"""`wisp lattice revoke`: lets a host, or somebody's commands, in no more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from wisp.cli import papers, reach
from wisp.cli.parser import Subcommand

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.membership.holding import Admitted
    from wisp.lattice.state import State


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a host, or of an operator as the log has called it")
    reach.add_reach(parser)
    papers.add_authority(parser)


def _run(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> Admitted:
        from wisp.lattice.membership import founding, revoking  # noqa: PLC0415 - the help does not need it

        desk = founding.desk(papers.holding(arguments), lattice.name, timedelta())
        return await revoking.revoke(lattice, desk, reach.name(arguments.name, "NAME"))

    papers.holding(arguments).sealed()  # said before anything is asked of NATS
    found = reach.with_lattice(arguments, work)
    print(f"{found.role} {found.name} is let in no more")
    return 0


COMMAND = Subcommand(
    "Let a host, or somebody's commands, in no more",
    (("wisp lattice revoke berlin-2", "its keys and its certificate are worth nothing any more"),),
    _configure,
    _run,
)
