"""Reaching a lattice: the options that say which one, and the connection that commands work with."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wisp.cli.parser import UsageError
from wisp.registry import files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from wisp.lattice.membership.access import Access
    from wisp.lattice.nats.connection import Connection
    from wisp.lattice.state import State

DEFAULT_LATTICE = "default"
DEFAULT_URL = "nats://127.0.0.1:4222"

ACCESS = (
    ("--nats-creds", "WISP_NATS_CREDS", "credentials (JWT and seed) for a NATS of your own"),
    ("--nats-nkey", "WISP_NATS_NKEY", "the seed of an nkey for a NATS of your own"),
    ("--nats-ca", "WISP_NATS_CA", "certificates (PEM) that are believed of a NATS of your own"),
)


Outcome = TypeVar("Outcome")


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Add `--nats` and `--lattice`."""
    group = parser.add_argument_group("lattice")
    group.add_argument(
        "--nats",
        metavar="URL",
        help=f"where NATS is (default: WISP_NATS; the one that `wisp lattice up` started; {DEFAULT_URL})",
    )
    add_nats_access(group)
    add_lattice(group)


def add_nats_access(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add how commands and hosts prove themselves at a NATS of the user's own."""
    for option, variable, what in ACCESS:
        parser.add_argument(option, metavar="FILE", help=f"{what} (default: {variable})")


def add_lattice(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add `--lattice`."""
    parser.add_argument(
        "--lattice", metavar="NAME", help=f"the lattice's name (default: WISP_LATTICE, or {DEFAULT_LATTICE})"
    )


def add_timeout(parser: argparse.ArgumentParser | argparse._ArgumentGroup, *, until: str) -> None:
    """Add `--timeout` of a command that waits until something has come about."""
    parser.add_argument(
        "--timeout",
        default="60s",
        metavar="TIME",
        help=f"how long to wait until {until} (default: %(default)s)",
    )


def absolute(path: str | None) -> Path | None:
    """Return where a folder is that an option may name."""
    return Path(path).absolute() if path else None


def lattice_name(arguments: argparse.Namespace) -> str:
    """Return the name of the lattice. Raises UsageError."""
    return name(arguments.lattice or os.environ.get("WISP_LATTICE") or DEFAULT_LATTICE, "--lattice")


def name(text: str, option: str) -> str:
    """Read the name of a lattice or of a host. Raises UsageError."""
    from wisp.lattice.records import host_name  # noqa: PLC0415 - the help does not need it

    try:
        return host_name(text)
    except ValueError as error:
        message = f"{option}: {error}"
        raise UsageError(message) from error


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read `KEY=VALUE`, each. Raises UsageError."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            message = f"{option} {text}: expected NAME=VALUE"
            raise UsageError(message)
        found[key] = value
    return found


def folder(lattice: str) -> Path:
    """Return where this machine keeps what belongs to a lattice."""
    if own := os.environ.get("WISP_STATE_DIR"):
        return Path(own).absolute() / lattice
    shared = os.environ.get("XDG_STATE_HOME", "")
    base = Path(shared) if shared.startswith("/") else Path.home() / ".local" / "state"
    return base / "wisp" / lattice


def given_url(arguments: argparse.Namespace) -> str | None:
    """Return where NATS is, if somebody has said so."""
    return arguments.nats or os.environ.get("WISP_NATS") or None


def url(arguments: argparse.Namespace) -> str:
    """Return where NATS is."""
    return given_url(arguments) or remembered(lattice_name(arguments)).nats


def access(arguments: argparse.Namespace) -> Access:
    """Return how this machine's commands prove themselves there."""
    from wisp.lattice.membership.access import Access  # noqa: PLC0415 - the help does not need it

    files = [getattr(arguments, option.strip("-").replace("-", "_")) for option, _, _ in ACCESS]
    found = [
        absolute(file or os.environ.get(variable))
        for file, (_, variable, _) in zip(files, ACCESS, strict=True)
    ]
    if any(found) or given_url(arguments):
        return Access(credentials=found[0], nkey=found[1], ca=found[2])
    known = remembered(lattice_name(arguments))
    ca = absolute(known.ca)
    return Access(credentials=absolute(known.credentials), ca=ca, tls_first=ca is not None)


@dataclass(frozen=True, slots=True)
class Remembered:
    """How commands on this machine find a lattice."""

    nats: str = field(default=DEFAULT_URL, repr=False)
    """May have a token in it."""

    credentials: str | None = None
    ca: str | None = None
    host: str | None = None
    """The host on this machine that lets others in."""

    join: str | None = None
    """`HOST:PORT` where it does."""


def remembered(lattice: str) -> Remembered:
    """Return how commands on this machine find a lattice."""
    try:
        found = json.loads(_file(lattice).read_bytes())
        return Remembered(
            **{each.name: found[each.name] for each in fields(Remembered) if each.name in found}
        )
    except (OSError, ValueError, TypeError):
        return Remembered()


def remember(lattice: str, found: Remembered) -> None:
    """Let commands on this machine find a lattice; for this user only."""
    files.write(_file(lattice), json.dumps(asdict(found)).encode())


def with_lattice(arguments: argparse.Namespace, work: Callable[[State], Awaitable[Outcome]]) -> Outcome:
    """Connect to the lattice, do the work, and return what it gave. Raises WispError."""

    async def opened(connection: Connection) -> Outcome:
        return await work(await _opened(connection, lattice_name(arguments)))

    return with_connection(arguments, opened)


async def _opened(connection: Connection, lattice: str) -> State:
    """Open a lattice; where a server was lost just now, wait until the others have elected another leader."""
    from wisp.lattice.nats.connection import patiently  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.state import State  # noqa: PLC0415 - the same

    return await patiently(lambda: State.open(connection, lattice))


def with_connection(
    arguments: argparse.Namespace, work: Callable[[Connection], Awaitable[Outcome]]
) -> Outcome:
    """Connect to NATS, do the work, and return what it gave. Raises WispError."""

    async def done() -> Outcome:
        async with connected(arguments) as connection:
            return await work(connection)

    return asyncio.run(done())


def connected(
    arguments: argparse.Namespace, *, name: str = "wisp"
) -> AbstractAsyncContextManager[Connection]:
    """Connect to NATS for as long as a block runs, as commands of this machine do. The block raises LatticeError."""
    from wisp.lattice.nats.connection import connect  # noqa: PLC0415 - the help does not need it

    return connect(url(arguments), name=name, access=access(arguments))


def _file(lattice: str) -> Path:
    return folder(lattice) / "reach.json"
