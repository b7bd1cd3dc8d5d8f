"""The NATS server that a host runs itself: the options that say where, and its running beside the host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wisp.cli import reach
from wisp.host.address import Address

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from wisp.host.log import Log
    from wisp.lattice.membership.belonging import Belonging
    from wisp.lattice.membership.papers import Place
    from wisp.lattice.nats_server.keeping import Keeper, Wanted

_EVERY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_ELSEWHERE = "192.0.2.1"
"""An address that is nobody's (RFC 5737): how this machine would go there says by which address others see it."""


def add_server(parser: argparse.ArgumentParser, *, always: bool) -> None:
    """Add where NATS listens and keeps its data; `always` when the command runs one in any case."""
    group = parser.add_argument_group("NATS on this host")
    if not always:
        group.add_argument(
            "--nats-server",
            action="store_true",
            help="run one of the lattice's NATS servers; three hosts that do so, with --nats-route, are a cluster",
        )
    group.add_argument(
        "--nats-listen",
        default="127.0.0.1:4222",
        metavar="HOST:PORT",
        help="where NATS listens (default: %(default)s)",
    )
    group.add_argument(
        "--nats-advertise",
        metavar="HOST",
        help="by what name or address others reach it (default: the one that it listens at)",
    )
    group.add_argument(
        "--nats-route",
        metavar="HOST:PORT",
        help="where the two other servers of a cluster of three reach it; NATS keeps three replicas then",
    )
    group.add_argument(
        "--nats-data",
        metavar="FOLDER",
        help="where NATS keeps its data (default: a folder of this user's, by lattice)",
    )


def wanted(arguments: argparse.Namespace) -> Wanted:
    """Return the server that the arguments want. Raises HostError."""
    from wisp.lattice.nats_server.keeping import Wanted  # noqa: PLC0415 - the help does not need it

    listen = Address.parse(arguments.nats_listen)
    folder = reach.absolute(arguments.nats_data) or reach.folder(reach.lattice_name(arguments)) / "nats"
    route = Address.parse(arguments.nats_route) if arguments.nats_route else None
    return Wanted(folder, listen, _advertised(arguments, listen), route)


def place(arguments: argparse.Namespace) -> Place:
    """Return what the certificate of the host must say for its NATS server to be believed."""
    from wisp.lattice.membership.papers import Place  # noqa: PLC0415 - the help does not need it

    listen = Address.parse(arguments.nats_listen).host
    own = () if listen in _EVERY else (listen,)
    named = (_advertised(arguments, Address.parse(arguments.nats_listen)), *own, "127.0.0.1", "localhost")
    return Place(tuple(dict.fromkeys(one for one in named if one)), arguments.nats_route)


def url(keeper: Keeper, wanted: Wanted) -> str:
    """Return where clients on any machine reach a server."""
    listening = keeper.server.address
    return f"tls://{Address(wanted.advertise or listening.host, listening.port)}"


def reachable(address: Address) -> Address:
    """Return how others reach what listens here."""
    return Address(primary(), address.port) if address.host in _EVERY else address


def primary() -> str:
    """Return the address by which this machine goes to others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((_ELSEWHERE, 9))  # nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"


@asynccontextmanager
async def running(wanted: Wanted, belonging: Belonging, log: Log) -> AsyncIterator[Keeper]:
    """Run a server while the block does, and let its host know where it is. Raises WispError."""
    from wisp.lattice.membership.belonging import ServerRecord  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.nats_server.keeping import Keeper  # noqa: PLC0415 - the same

    keeper = await Keeper.start(wanted, belonging, log)
    keeping = asyncio.create_task(keeper.run())
    try:
        papers = belonging.papers
        route = str(wanted.route) if wanted.route else None
        belonging.server = ServerRecord(host=papers.host, url=url(keeper, wanted), route=route)
        await asyncio.to_thread(belonging.know_own_server)
        yield keeper
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


def _advertised(arguments: argparse.Namespace, listen: Address) -> str | None:
    if arguments.nats_advertise:
        return str(arguments.nats_advertise)
    return primary() if listen.host in _EVERY else None
