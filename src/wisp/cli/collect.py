"""`wisp lattice collect`: removes from NATS what no app needs any more, which the host that plans does by itself now and then."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from wisp.cli import output, reach
from wisp.cli.parser import Subcommand, seconds

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.commands.collecting import Collected
    from wisp.lattice.state import State


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        default="1h",
        metavar="TIME",
        help="leave alone what was put there within this time (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def _collect(arguments: argparse.Namespace) -> int:
    grace = seconds(arguments.older_than, "--older-than")

    async def work(lattice: State) -> Collected:
        from wisp.lattice.commands.collecting import Collecting  # noqa: PLC0415 - the help does not need it

        collecting = Collecting(lattice)
        return await collecting.collect(await collecting.moment(grace))

    found = reach.with_lattice(arguments, work)
    if arguments.json:
        print(json.dumps(found.model_dump(), indent=2))
    else:
        what = f"{found.objects} objects with {output.size(found.size)}"
        print(
            f"removed {what}, {found.pieces} unfinished uploads, {found.keys} keys to secrets",
            file=sys.stderr,
        )
    return 0


COMMAND = Subcommand(
    "Remove from NATS what no app needs any more",
    (
        ("wisp lattice collect", "the host that plans does so every ten minutes"),
        ("wisp lattice collect --older-than 0s", "also what was put there just now, and no app names"),
    ),
    _configure,
    _collect,
)
