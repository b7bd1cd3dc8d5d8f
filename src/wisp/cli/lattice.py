"""`wisp lattice`: begins a lattice on this machine, NATS and a first host in one command, and says who belongs to it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from wisp.cli import collect, host, invite, join, nats, papers, reach, revoke, rotate
from wisp.cli.parser import Subcommand, add_commands
from wisp.errors import LatticeError
from wisp.host.address import Address

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from wisp.lattice.commands.restoring import Restored
    from wisp.lattice.nats.connection import Connection


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp lattice`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _configure_up(parser: argparse.ArgumentParser) -> None:
    reach.add_reach(parser)
    host.add_hosting(parser)
    nats.add_server(parser, always=True)
    papers.add_receiving(parser, default="beside NATS, at the next port")


def _up(arguments: argparse.Namespace) -> int:
    return asyncio.run(_found(arguments))


async def _found(arguments: argparse.Namespace) -> int:
    """Begin a lattice, or go on with it: the authority, NATS unless there is one, a host, and where others join."""
    from wisp.lattice.membership import founding  # noqa: PLC0415 - the help does not need it

    log, wanted = host.host_log(arguments), nats.wanted(arguments)
    own = reach.given_url(arguments) is None
    at = host.standing(arguments, log)
    desk = await asyncio.to_thread(founding.desk, at.holding, at.lattice, papers.lifetime(arguments))
    if own and await asyncio.to_thread(founding.take_over, wanted.folder, desk.authority.account.public):
        log.event("taken-over", _TAKEN_OVER, level="warn")
    place = nats.place(arguments) if own else None
    found = await asyncio.to_thread(papers.belonging, at, place, papers.lifetime(arguments), ())
    if found is None:
        raise LatticeError("the authority has not let its own host in")
    arguments.join_listen = arguments.join_listen or str(_beside(wanted.address))
    async with AsyncExitStack() as stack:
        if own:
            keeper = await stack.enter_async_context(nats.running(wanted, found, log))
            papers.let_commands_in(at.lattice, desk, keeper.server.url)
        await stack.enter_async_context(papers.receiving(arguments, found, desk, log))
        return await host.serve(arguments, papers.address(arguments, found))


def _beside(address: Address) -> Address:
    return Address(address.host, address.port and address.port + 1)


def _configure_restore(parser: argparse.ArgumentParser) -> None:
    host.add_which(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def _restore(arguments: argparse.Namespace) -> int:
    async def work(connection: Connection) -> Restored:
        from wisp.lattice.commands.restoring import restore  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.state import State  # noqa: PLC0415 - the same
        from wisp.registry.cache import Cache  # noqa: PLC0415 - the same

        lattice = await State.make(connection, reach.lattice_name(arguments))
        return await restore(lattice, host.remembered_by(arguments), Cache.open())

    found = asyncio.run(_connected(arguments, work))
    if arguments.json:
        print(json.dumps({"apps": found.apps, "incomplete": found.incomplete}, indent=2))
        return 0
    print(f"written back: {', '.join(found.apps) or 'no app was missing'}", file=sys.stderr)
    for app in found.incomplete:
        print(
            f"note: this host has not all components of {app}; restore from a host that runs it, or deploy it again",
            file=sys.stderr,
        )
    return 0


async def _connected(
    arguments: argparse.Namespace, work: Callable[[Connection], Awaitable[Restored]]
) -> Restored:
    """Connect to NATS as commands of this machine do; where they are not let in, as its host does. Raises WispError."""
    own = papers.papers(host.remembered_by(arguments).folder, host.host_name(arguments))
    known = await asyncio.to_thread(own.known)
    given = reach.given_url(arguments) or reach.remembered(reach.lattice_name(arguments)).credentials
    if given or known is None or not known.servers:
        async with reach.connected(arguments) as connection:
            return await work(connection)
    from wisp.lattice.nats.connection import connect  # noqa: PLC0415 - the help does not need it

    async with connect(",".join(known.servers), name="wisp", access=own.access) as connection:
        return await work(connection)


_TAKEN_OVER = (
    "NATS has data of this lattice from before it had this authority; they are as they were."
    " Hosts on other machines join anew: `wisp lattice invite`"
)


def _configure_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def _status(arguments: argparse.Namespace) -> int:
    from wisp.cli import lattice_status  # noqa: PLC0415 - the help does not need it

    return lattice_status.show(arguments)


COMMANDS = {
    "status": Subcommand(
        "Say whether a lattice is well, and exit with 1 if it is not",
        (
            ("wisp lattice status", "NATS, who plans, hosts, apps that run on fewer hosts than are wanted"),
            ("wisp lattice status --json", "the same for a program"),
        ),
        _configure_status,
        _status,
    ),
    "up": Subcommand(
        "Start NATS and a first host on this machine",
        (
            ("wisp lattice up", "serve at http://127.0.0.1:3000; `wisp deploy` finds it"),
            (
                "wisp lattice up --label zone=eu --http 0.0.0.0:8080",
                "say what this host is, and where it listens",
            ),
        ),
        _configure_up,
        _up,
    ),
    "invite": invite.COMMAND,
    "join": join.COMMAND,
    "rotate": rotate.COMMAND,
    "revoke": revoke.COMMAND,
    "restore": Subcommand(
        "Write back what NATS has lost, from what a host of this machine remembers",
        (
            ("wisp lattice restore", "from the host with this machine's name"),
            ("wisp lattice restore --name berlin-1", "from another one"),
        ),
        _configure_restore,
        _restore,
    ),
    "collect": collect.COMMAND,
}
