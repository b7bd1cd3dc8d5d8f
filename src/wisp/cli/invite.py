"""`wisp lattice invite`: makes the line with which another machine joins."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wisp.cli import papers, reach
from wisp.cli.parser import Subcommand, UsageError, seconds
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.membership.invitations import Invitation


def _configure(parser: argparse.ArgumentParser) -> None:
    reach.add_lattice(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="what the host has to be called (default: it says itself)"
    )
    parser.add_argument(
        "--nats-server", action="store_true", help="the host may run one of the lattice's NATS servers"
    )
    parser.add_argument(
        "--authority",
        action="store_true",
        help="the host is given the lattice's authority, encrypted; it needs the same --authority-key",
    )
    parser.add_argument(
        "--operator", action="store_true", help="let the commands of a machine in, instead of a host"
    )
    parser.add_argument(
        "--expires", default="1h", metavar="TIME", help="how long it is good (default: %(default)s)"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="where this machine is reached (default: as --join-listen said)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    papers.add_authority(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.operator and (arguments.nats_server or arguments.authority or arguments.name):
        message = "--operator is about commands, the other options are about a host"
        raise UsageError(message)
    lifetime = timedelta(seconds=seconds(arguments.expires, "--expires"))
    line = f"wisp lattice join {_made(arguments, lifetime).line()}"
    ends = datetime.now(UTC) + lifetime
    if arguments.json:
        print(json.dumps({"command": line, "expires": ends.isoformat(timespec="seconds")}, indent=2))
        return 0
    what = (
        "on the machine whose commands are to be let in"
        if arguments.operator
        else "on the machine that is to join"
    )
    print(f"{what}, once, until {ends.astimezone():%Y-%m-%d %H:%M}:", file=sys.stderr)
    print(line)
    return 0


def _made(arguments: argparse.Namespace, lifetime: timedelta) -> Invitation:
    from wisp.lattice.membership import certificates  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.membership.invitations import Invitation, Promise  # noqa: PLC0415 - the same

    lattice, holding = reach.lattice_name(arguments), papers.holding(arguments)
    authority, known = holding.open(), reach.remembered(lattice)
    if known.host is None or known.join is None:
        message = "no host on this machine receives those who join"
        raise LatticeError(
            message, hint="start it with `wisp lattice up`, or `wisp host --join-listen HOST:PORT`"
        )
    role = "operator" if arguments.operator else "host"
    promise = Promise(
        digest="",
        expires=0,
        role=role,
        name=reach.name(arguments.name, "--name") if arguments.name else None,
        nats=arguments.nats_server,
        authority=arguments.authority,
    )
    identifier, secret = holding.invitations.make(lifetime, promise)
    return Invitation(
        lattice=lattice,
        host=known.host,
        address=arguments.address or known.join,
        fingerprint=certificates.fingerprint(authority.certificate),
        role=role,
        identifier=identifier,
        secret=secret,
    )


COMMAND = Subcommand(
    "Make the line with which another machine joins, once",
    (
        ("wisp lattice invite", "for a host; paste what it prints on the other machine"),
        ("wisp lattice invite --nats-server", "for one that also runs one of the three NATS servers"),
        ("wisp lattice invite --authority", "for one that lets machines in when this one is gone"),
        ("wisp lattice invite --operator", "for a machine on which only commands are to work"),
    ),
    _configure,
    _run,
)
