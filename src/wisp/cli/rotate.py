"""`wisp lattice rotate`: gives hosts new certificates now, while they go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp.cli import reach
from wisp.cli.parser import Subcommand

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.membership.renewal import Rotated
    from wisp.lattice.state import State


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="*", metavar="HOST", help="which (default: all that are there)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def _run(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> list[Rotated]:
        from wisp.lattice.commands import control  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.membership import renewal  # noqa: PLC0415 - the help does not need it

        hosts = [reach.name(host, "HOST") for host in arguments.host]
        return [
            renewal.Rotated.read(await lattice.requests.ask(renewal.rotation(host), b"", 2 * renewal.LIMIT))
            for host in hosts or sorted((await control.view(lattice)).hosts)
        ]

    found = reach.with_lattice(arguments, work)
    if arguments.json:
        print(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return 0
    for one in found:
        print(f"{one.host} has a new certificate, until {one.ends.astimezone():%Y-%m-%d %H:%M}")
    return 0


COMMAND = Subcommand(
    "Give hosts new certificates and keys, without a restart",
    (
        ("wisp lattice rotate", "all hosts that are there"),
        ("wisp lattice rotate berlin-1", "one of them"),
    ),
    _configure,
    _run,
)
