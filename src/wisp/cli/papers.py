"""How a host of this machine belongs to its lattice: its papers, the authority if it has that, and where NATS is."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import nats, reach
from wisp.cli.parser import seconds
from wisp.host.address import Address

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from wisp.host.log import Log
    from wisp.lattice.membership.admitting import Desk
    from wisp.lattice.membership.belonging import Belonging
    from wisp.lattice.membership.holding import Holding
    from wisp.lattice.membership.papers import Papers, Place
    from wisp.lattice.running.joining import Address as LatticeAddress


def add_authority(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add `--authority-key`."""
    parser.add_argument(
        "--authority-key",
        type=Path,
        metavar="FILE",
        help="what opens the lattice's authority on this machine, a long random text"
        " (default: WISP_AUTHORITY_KEY; a file of this user's configuration, made when there is none)",
    )


def add_receiving(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Add what a host does that has the lattice's authority."""
    group = parser.add_argument_group("the lattice's authority, on a host that has it")
    add_authority(group)
    shown = default or "nowhere"
    group.add_argument(
        "--join-listen",
        metavar="HOST:PORT",
        help=f"where machines with an invitation ask to join (default: {shown})",
    )
    group.add_argument(
        "--certificate-lifetime",
        default="168h",
        metavar="TIME",
        help="how long certificates of hosts are good that are given out here; they are renewed at half of it (default: %(default)s)",
    )


@asynccontextmanager
async def receiving(
    arguments: argparse.Namespace, belonging: Belonging, desk: Desk, log: Log
) -> AsyncIterator[None]:
    """Receive machines with an invitation while the block runs. Raises WispError."""
    from wisp.lattice.membership.reception import Reception  # noqa: PLC0415 - the help does not need it

    reception = Reception(desk, belonging, log)
    listening = await reception.open(Address.parse(arguments.join_listen))
    lattice = reach.lattice_name(arguments)
    at = Address(arguments.nats_advertise or nats.reachable(listening).host, listening.port)
    reach.remember(lattice, replace(reach.remembered(lattice), host=belonging.papers.host, join=str(at)))
    log.event("receiving", f"machines with an invitation ask to join at {at}", at=str(at))
    try:
        yield
    finally:
        await reception.close()


def holding(arguments: argparse.Namespace) -> Holding:
    """Return the authority of the lattice as it is on this machine, or would be."""
    from wisp.lattice.membership.holding import Holding  # noqa: PLC0415 - the help does not need it

    lattice = reach.lattice_name(arguments)
    key = arguments.authority_key or reach.absolute(os.environ.get("WISP_AUTHORITY_KEY"))
    return Holding(reach.folder(lattice) / "authority", (key or _key_file(lattice)).absolute())


def lifetime(arguments: argparse.Namespace) -> timedelta:
    """Return how long certificates are good. Raises UsageError."""
    return timedelta(seconds=seconds(arguments.certificate_lifetime, "--certificate-lifetime"))


def _key_file(lattice: str) -> Path:
    """Return where the secret is, apart from what it opens."""
    if own := os.environ.get("WISP_STATE_DIR"):
        return Path(own).absolute() / "keys" / lattice
    shared = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(shared) if shared.startswith("/") else Path.home() / ".config"
    return base / "wisp" / "lattices" / f"{lattice}.key"


def papers(folder: Path, host: str) -> Papers:
    """Return the papers of a host that keeps what it remembers in that folder."""
    from wisp.lattice.membership.identity import FOLDER  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.membership.papers import Papers  # noqa: PLC0415 - the same

    return Papers(folder / FOLDER, host)


@dataclass(frozen=True, slots=True)
class Standing:
    """One host of this machine, and what it belongs to."""

    papers: Papers
    holding: Holding
    lattice: str
    log: Log


def belonging(
    standing: Standing, place: Place | None, lifetime: timedelta, servers: tuple[str, ...]
) -> Belonging | None:
    """Return a host's part in who belongs to its lattice; None for one that has not joined, and cannot let itself in. Raises WispError.

    Args:
        standing: The host.
        place: Where it runs a NATS server, if it does.
        lifetime: Of certificates that are given out here.
        servers: Where NATS is, if it runs none.

    """
    from wisp.lattice.membership import founding  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.membership.belonging import Belonging  # noqa: PLC0415 - the same

    found = Belonging(standing.papers, standing.lattice, standing.log)
    found.moved.append(lambda servers: _let_commands_know(standing.lattice, servers))
    if standing.holding.exists:
        found.desk = founding.desk(standing.holding, standing.lattice, lifetime)
        founding.give_papers(found.desk, standing.papers, place, servers)
    return found if standing.papers.exist else None


def let_commands_in(lattice: str, desk: Desk, url: str) -> None:
    """Let commands of this machine in, which has the authority, at the lattice's own NATS. Raises ArtifactError."""
    from wisp.lattice.membership import founding  # noqa: PLC0415 - the help does not need it

    folder = reach.folder(lattice)
    file = founding.give_operator(desk, folder)
    found = reach.Remembered(nats=url, credentials=str(file), ca=str(folder / founding.AUTHORITY_FILE))
    reach.remember(lattice, found)


def _let_commands_know(lattice: str, servers: tuple[str, ...]) -> None:
    """Let commands on this machine look for NATS where it is now, if they are let in there."""
    known = reach.remembered(lattice)
    if known.credentials is not None:
        reach.remember(lattice, replace(known, nats=",".join(servers)))


def address(arguments: argparse.Namespace, found: Belonging | None) -> LatticeAddress:
    """Return where the lattice is: what was said, else what the host was told when it joined, else what this machine remembers."""
    from wisp.lattice.running.joining import Address as LatticeAddress  # noqa: PLC0415 - the help does not need it

    made = LatticeAddress(reach.url(arguments), reach.lattice_name(arguments), reach.access(arguments), found)
    if found is None or found.url is None or reach.given_url(arguments):
        return made
    return replace(made, nats=found.url, access=found.papers.access)
