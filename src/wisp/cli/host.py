"""`wisp host`: runs a host of a lattice, until a signal says to stop."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import wisp
from wisp.cli import nats, output, papers, reach
from wisp.cli.parser import UsageError, add_logging, add_policy, add_processes, seconds
from wisp.host import cpus
from wisp.host.address import Address
from wisp.host.log import Log
from wisp.host.relay import Relay
from wisp.host.settings import HostSettings, LogSettings

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.records import HostRecord
    from wisp.lattice.running.host import Parts
    from wisp.lattice.running.joining import Address as LatticeAddress
    from wisp.lattice.running.remembered import Remembered

MOST_WORKERS = 512


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp host`."""
    reach.add_reach(parser)
    add_hosting(parser)
    nats.add_server(parser, always=False)
    papers.add_receiving(parser)


def add_hosting(parser: argparse.ArgumentParser) -> None:
    """Add what any command that runs a host takes."""
    group = parser.add_argument_group("this host")
    add_which(group)
    group.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what apps can require or be spread over, such as zone=eu; may be repeated",
    )
    group.add_argument(
        "--capacity",
        type=int,
        default=100,
        metavar="N",
        help="how much weight of apps it takes (default: %(default)s)",
    )
    group.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="a variable of this process that apps may be granted, and secrets may come from; may be repeated",
    )
    add_policy(group)
    _add_serving(parser)


def add_which(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add `--name` and `--data`: which host of this machine."""
    parser.add_argument("--name", metavar="NAME", help="what it is called (default: the machine's name)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="what it remembers, and the stores of apps (default: a folder of this user's, by lattice and name)",
    )


def remembered_by(arguments: argparse.Namespace) -> Remembered:
    """Return what a host of this machine remembers. Raises UsageError."""
    from wisp.lattice.running.remembered import Remembered  # noqa: PLC0415 - the help does not need it

    lattice = reach.lattice_name(arguments)
    return Remembered((arguments.data or reach.folder(lattice) / "hosts" / host_name(arguments)).absolute())


def _add_serving(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("serving")
    group.add_argument(
        "--http",
        default="127.0.0.1:3000",
        metavar="HOST:PORT",
        help="where apps answer (default: %(default)s)",
    )
    group.add_argument(
        "--advertise", metavar="URL", help="where others reach it, if that is not where it listens"
    )
    group.add_argument(
        "--peer",
        metavar="HOST:PORT",
        help="where other hosts send requests for its apps (default: the host of --http, and a free port)",
    )
    add_processes(group)
    add_logging(group)


def run(arguments: argparse.Namespace) -> int:
    """Run the host, and return the exit code."""
    return asyncio.run(rejoin(arguments))


async def rejoin(arguments: argparse.Namespace) -> int:
    """Run a host that has joined its lattice, or needs not to. Raises WispError."""
    log, place = host_log(arguments), nats.place(arguments) if arguments.nats_server else None
    servers = tuple(reach.url(arguments).split(","))
    found = await asyncio.to_thread(
        papers.belonging, standing(arguments, log), place, papers.lifetime(arguments), servers
    )
    if arguments.nats_server and found is None:
        message = "a host that runs one of the lattice's NATS servers has to join first"
        raise UsageError(message, hint="`wisp lattice invite --nats-server` on the first host says how")
    async with AsyncExitStack() as stack:
        if arguments.nats_server and found is not None:
            await stack.enter_async_context(nats.running(nats.wanted(arguments), found, log))
        if found is not None and found.desk is not None:
            if found.url is not None:
                papers.let_commands_in(found.lattice, found.desk, found.url)
            if arguments.join_listen:
                await stack.enter_async_context(papers.receiving(arguments, found, found.desk, log))
        return await serve(arguments, papers.address(arguments, found))


def standing(arguments: argparse.Namespace, log: Log) -> papers.Standing:
    """Return which host of this machine it is, and what it belongs to."""
    own = papers.papers(remembered_by(arguments).folder, host_name(arguments))
    return papers.Standing(own, papers.holding(arguments), reach.lattice_name(arguments), log)


async def serve(arguments: argparse.Namespace, address: LatticeAddress) -> int:
    """Run the host of a lattice. Raises WispError."""
    from wisp.lattice.running.host import LatticeHost  # noqa: PLC0415 - the help does not need it

    relay = Relay(_log_settings(arguments))
    try:
        return await LatticeHost(_parts(arguments, address, relay)).run()
    finally:
        relay.close()


def host_log(arguments: argparse.Namespace) -> Log:
    """Return where the host's events are written."""
    return Log(_log_settings(arguments))


def _parts(arguments: argparse.Namespace, address: LatticeAddress, relay: Relay) -> Parts:
    from wisp.lattice.membership.identity import FOLDER  # noqa: PLC0415
    from wisp.lattice.running.host import Parts  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.running.keyring import Keyring  # noqa: PLC0415
    from wisp.lattice.running.onward import ShownIdentity, usual  # noqa: PLC0415
    from wisp.lattice.running.preparing import Preparing  # noqa: PLC0415
    from wisp.lattice.running.told import nats_settings  # noqa: PLC0415
    from wisp.registry.cache import Cache  # noqa: PLC0415
    from wisp.registry.signing.gate import Gate  # noqa: PLC0415

    settings = _settings(arguments, relay)
    log = Log(relay.settings, relay.descriptor)
    remembered = remembered_by(arguments)
    keyring = Keyring(host_name(arguments), remembered)
    environment = {name: os.environ[name] for name in arguments.environment if name in os.environ}
    identity = ShownIdentity(remembered.folder / FOLDER, host_name(arguments), address.lattice)
    if identity.exists:
        settings = replace(settings, hosts=usual(_for_hosts(arguments), remembered.folder))
    workers = papers.papers(remembered.folder, host_name(arguments)).worker_access
    told = nats_settings(address, workers if address.access.tls_first else address.access)
    return Parts(
        settings=replace(settings, nats=told),
        record=_record(arguments, settings.workers, remembered.token(), keyring.public),
        address=address,
        remembered=remembered,
        preparing=Preparing(Cache.open(), remembered, environment, log, keyring),
        log=log,
        admin=None if arguments.no_admin else Address.parse(arguments.admin),
        advertise=arguments.advertise,
        identity=identity,
        relay=relay,
        gate=Gate.open(arguments.policy, Cache.open()),
    )


def _record(arguments: argparse.Namespace, workers: int, token: str, xkey: str) -> HostRecord:
    from wisp.lattice.records import HostRecord  # noqa: PLC0415 - the help does not need it

    return HostRecord(
        name=host_name(arguments),
        token=token,
        url="",
        labels=reach.pairs(arguments.label, "--label"),
        capacity=_at_least(arguments.capacity, 0, "--capacity"),
        workers=workers,
        version=wisp.__version__,
        xkey=xkey,
    )


def _for_hosts(arguments: argparse.Namespace) -> Address:
    if arguments.peer:
        return Address.parse(arguments.peer)
    return Address(Address.parse(arguments.http).host, 0)


def _settings(arguments: argparse.Namespace, relay: Relay) -> HostSettings:
    workers = cpus.usable() if arguments.workers is None else arguments.workers
    if not 1 <= workers <= MOST_WORKERS:
        message = f"--workers must be 1 to {MOST_WORKERS}, not {workers}"
        raise UsageError(message)
    return HostSettings(
        address=Address.parse(arguments.http),
        workers=workers,
        log=relay.settings,
        output=relay.descriptor,
        drain_timeout=seconds(arguments.drain_timeout, "--drain-timeout"),
    )


def _log_settings(arguments: argparse.Namespace) -> LogSettings:
    return LogSettings(
        format=arguments.log_format or ("text" if sys.stdout.isatty() else "json"),
        access=not arguments.no_access_log,
        color=output.coloured(sys.stdout),
    )


def host_name(arguments: argparse.Namespace) -> str:
    """Return what a host of this machine is called. Raises UsageError."""
    if arguments.name is not None:
        return reach.name(arguments.name, "--name")
    machine = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:63]
    return machine or "host"


def _at_least(number: int, least: int, option: str) -> int:
    if number < least:
        message = f"{option} must be at least {least}"
        raise UsageError(message)
    return number
