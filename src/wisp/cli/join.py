"""`wisp lattice join`: lets this machine join a lattice, with the line that `wisp lattice invite` has printed."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from wisp.cli import host, nats, papers, reach
from wisp.cli.parser import Subcommand
from wisp.registry import files

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.membership.invitations import Invitation
    from wisp.lattice.records import Identity


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invitation", metavar="INVITATION", help="what `wisp lattice invite` has printed")
    parser.add_argument(
        "--no-start", action="store_true", help="join, and leave starting the host to `wisp host`"
    )
    host.configure(parser)


def _run(arguments: argparse.Namespace) -> int:
    from wisp.lattice.membership.invitations import Invitation  # noqa: PLC0415 - the help does not need it

    invitation = Invitation.read(arguments.invitation)
    arguments.lattice = invitation.lattice
    if invitation.role == "operator":
        asyncio.run(_as_operator(invitation))
        print(f"commands on this machine are let into the lattice {invitation.lattice}", file=sys.stderr)
        return 0
    name = asyncio.run(_as_host(arguments, invitation))
    print(f"{name} has joined the lattice {invitation.lattice}", file=sys.stderr)
    return 0 if arguments.no_start else host.run(arguments)


async def _as_host(arguments: argparse.Namespace, invitation: Invitation) -> str:
    from wisp.lattice.membership import reception  # noqa: PLC0415 - the help does not need it

    remembered = host.remembered_by(arguments)
    own = papers.papers(remembered.folder, host.host_name(arguments))
    place = nats.place(arguments) if arguments.nats_server else None

    def keep(identity: Identity) -> None:
        # A host that belongs to another lattice of this name says so when it starts.
        if remembered.identity() is None:
            remembered.keep_identity(identity)

    await reception.accept(invitation, own, place, papers.holding(arguments), keep)
    return own.host


async def _as_operator(invitation: Invitation) -> None:
    from wisp.lattice.membership import claims, founding, reception  # noqa: PLC0415 - the help does not need it

    welcome, pair = await reception.accept_operator(invitation)
    folder = reach.folder(invitation.lattice)
    credentials, authority = folder / founding.OPERATOR_FILE, folder / founding.AUTHORITY_FILE
    files.write(authority, welcome.authority.encode(), mode=0o644)
    files.write(credentials, claims.credentials(welcome.claims[0], pair.seed))
    found = reach.Remembered(nats=",".join(welcome.servers), credentials=str(credentials), ca=str(authority))
    reach.remember(invitation.lattice, found)


COMMAND = Subcommand(
    "Let this machine join a lattice, and start its host",
    (
        ("wisp lattice join wisp1_...", "as `wisp lattice invite` has printed it"),
        (
            "wisp lattice join wisp1_... --http 0.0.0.0:8080 --label zone=eu",
            "with what `wisp host` takes too",
        ),
    ),
    _configure,
    _run,
)
