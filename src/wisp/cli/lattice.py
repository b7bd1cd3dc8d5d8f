"""`wisp lattice`: starts a lattice on this machine, NATS and a first host in one command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from wisp.cli import collect, host, reach
from wisp.cli.parser import Subcommand, add_commands
from wisp.host.address import Address

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from wisp.host.log import Log
    from wisp.lattice.connection import Connection
    from wisp.lattice.restoring import Restored
    from wisp.lattice.server import Server

LONGEST_PAUSE = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp lattice`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _configure_up(parser: argparse.ArgumentParser) -> None:
    reach.add_lattice(parser)
    parser.add_argument(
        "--nats-listen",
        default="127.0.0.1:4222",
        metavar="HOST:PORT",
        help="where NATS listens (default: %(default)s)",
    )
    parser.add_argument(
        "--nats-data",
        metavar="FOLDER",
        help="where NATS keeps its data (default: a folder of this user's, by lattice)",
    )
    host.add_hosting(parser)


def _up(arguments: argparse.Namespace) -> int:
    return asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    from wisp.lattice.server import Server  # noqa: PLC0415 - the help does not need it

    lattice = reach.lattice_name(arguments)
    folder = reach.absolute(arguments.nats_data) or reach.folder(lattice) / "nats"
    server = await Server.start(folder, Address.parse(arguments.nats_listen))
    reach.remember(lattice, server.url)
    log = host.host_log(arguments)
    log.event("nats", f"NATS runs, process {server.pid}", pid=server.pid)
    keeping = asyncio.create_task(_keep(server, folder, log))
    try:
        return await host.serve(arguments, server.url)
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


def _configure_restore(parser: argparse.ArgumentParser) -> None:
    host.add_which(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def _restore(arguments: argparse.Namespace) -> int:
    async def work(connection: Connection) -> Restored:
        from wisp.lattice.restoring import restore  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.state import State  # noqa: PLC0415 - the same
        from wisp.registry.cache import Cache  # noqa: PLC0415 - the same

        lattice = await State.make(connection, reach.lattice_name(arguments))
        return await restore(lattice, host.remembered_by(arguments), Cache.open())

    found = reach.with_connection(arguments, work)
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


async def _keep(server: Server, folder: Path, log: Log) -> None:
    """Start NATS again whenever it ends; what runs here goes on meanwhile."""
    from wisp.errors import WispError  # noqa: PLC0415 - rarely needed
    from wisp.lattice.server import Server  # noqa: PLC0415 - it was loaded before

    address = server.address
    pause = 0.0
    try:
        while True:
            code = await server.ended()
            log.event("nats-ended", f"NATS has ended with {code}; it is started again", level="error")
            while True:
                await asyncio.sleep(pause)
                try:
                    server = await Server.start(folder, address)
                except WispError as error:
                    log.event("nats-failed", error.message, level="error")
                    pause = min(LONGEST_PAUSE, max(0.5, pause * 2))
                else:
                    log.event("nats", f"NATS runs, process {server.pid}", pid=server.pid)
                    pause = 0.5
                    break
    finally:
        await server.stop()


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
