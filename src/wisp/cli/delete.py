"""`wisp delete`: removes an app from a lattice, and waits until no host runs it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from wisp.cli import reach
from wisp.cli.parser import seconds
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.commands.control import View
    from wisp.lattice.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp delete`."""
    parser.add_argument("app", metavar="APP", help="the app's name")
    reach.add_timeout(parser, until="it has stopped")
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Delete it, and wait."""
    limit = seconds(arguments.timeout, "--timeout")

    async def work(lattice: State) -> int:
        from wisp.lattice.commands.control import delete, until  # noqa: PLC0415 - the help does not need it

        app = await delete(lattice, arguments.app)
        view = await until(lattice, lambda view: not _left(view, app.name), limit)
        if left := _left(view, app.name):
            message = f"{app.name} was deleted, but after {limit:g} s it still runs on {', '.join(left)}"
            raise LatticeError(message, hint="`wisp hosts` shows who is there")
        return app.revision

    revision = reach.with_lattice(arguments, work)
    if arguments.json:
        print(json.dumps({"app": arguments.app, "revision": revision, "deleted": True}, indent=2))
    else:
        print(f"{arguments.app} is deleted", file=sys.stderr)
    return 0


def _left(view: View, app: str) -> list[str]:
    """Return the hosts that are to run it still, or do."""
    assigned = {host for placed in view.versions(app) for host in placed.everywhere}
    running = {host for host in view.hosts if (said := view.said(app, host)) and said.running}
    return sorted(running | assigned)
