"""`wisp drain`: has all apps leave a host of a lattice, and waits until they have."""

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
    """Add the arguments of `wisp drain`."""
    parser.add_argument("host", metavar="HOST", help="the host's name")
    parser.add_argument("--undo", action="store_true", help="let apps come back to it")
    reach.add_timeout(parser, until="it runs nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Drain it, and wait."""
    host, limit = reach.name(arguments.host, "HOST"), seconds(arguments.timeout, "--timeout")

    async def work(lattice: State) -> None:
        from wisp.lattice.commands.control import drain  # noqa: PLC0415 - the help does not need it

        await drain(lattice, host, undo=arguments.undo)
        if not arguments.undo:
            await _wait(lattice, host, limit)

    reach.with_lattice(arguments, work)
    if arguments.json:
        print(json.dumps({"host": host, "draining": not arguments.undo}, indent=2))
    else:
        print(f"host {host} {'takes apps again' if arguments.undo else 'runs nothing'}", file=sys.stderr)
    return 0


async def _wait(lattice: State, host: str, limit: float) -> None:
    from wisp.lattice.commands.control import until  # noqa: PLC0415 - the help does not need it

    view = await until(lattice, lambda view: not _left(view, host), limit)
    if left := _left(view, host):
        message = f"after {limit:g} s host {host} still runs {', '.join(left)}"
        hint = "\n".join([*_why(view, left), f"it goes on leaving; `wisp drain {host} --undo` ends that"])
        raise LatticeError(message, hint=hint)


def _left(view: View, host: str) -> list[str]:
    """Return the apps that a host is to run, or runs still."""
    assigned = view.assignment.on(host) if view.assignment else ()
    said = view.observed.get(host) if host in view.hosts else None
    running = [one.app for one in said.apps if one.running] if said else []
    return sorted({*(placed.app for placed in assigned), *running})


def _why(view: View, apps: list[str]) -> list[str]:
    """Say why no other host has taken over."""
    if view.assignment is None:
        return []
    missing = [f"{one.app}: {one.reason}" for one in view.assignment.missing if one.app in apps]
    placed = [found for app in apps for found in view.versions(app)]
    failed = [
        f"{one.app} on {host}: {said.error}"
        for one in placed
        for host in one.hosts
        if (said := view.said(one.app, host)) and said.error
    ]
    return missing + failed
