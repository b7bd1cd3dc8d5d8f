"""Reaching a lattice: the options that say which one, and the connection that commands work with."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wisp.cli.parser import UsageError
from wisp.registry import files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterable

    from wisp.lattice.connection import Connection
    from wisp.lattice.state import State

DEFAULT_LATTICE = "default"
DEFAULT_URL = "nats://127.0.0.1:4222"

Outcome = TypeVar("Outcome")


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Add `--nats` and `--lattice`."""
    group = parser.add_argument_group("lattice")
    group.add_argument(
        "--nats",
        metavar="URL",
        help=f"where NATS is (default: WISP_NATS; the one that `wisp lattice up` started; {DEFAULT_URL})",
    )
    add_lattice(group)


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


def url(arguments: argparse.Namespace) -> str:
    """Return where NATS is."""
    if given := arguments.nats or os.environ.get("WISP_NATS"):
        return str(given)
    try:
        return str(json.loads(_file(lattice_name(arguments)).read_bytes())["nats"])
    except (OSError, ValueError, KeyError):
        return DEFAULT_URL


def remember(lattice: str, nats: str) -> None:
    """Let commands on this machine find a lattice; the URL has a token in it, so the file is for this user only."""
    files.write(_file(lattice), json.dumps({"nats": nats}).encode())


def with_lattice(arguments: argparse.Namespace, work: Callable[[State], Awaitable[Outcome]]) -> Outcome:
    """Connect to the lattice, do the work, and return what it gave. Raises WispError."""

    async def opened(connection: Connection) -> Outcome:
        from wisp.lattice.state import State  # noqa: PLC0415 - the help does not need it

        return await work(await State.open(connection, lattice_name(arguments)))

    return with_connection(arguments, opened)


def with_connection(
    arguments: argparse.Namespace, work: Callable[[Connection], Awaitable[Outcome]]
) -> Outcome:
    """Connect to NATS, do the work, and return what it gave. Raises WispError."""

    async def connected() -> Outcome:
        from wisp.lattice.connection import connect  # noqa: PLC0415 - the help does not need it

        async with connect(url(arguments), name="wisp") as connection:
            return await work(connection)

    return asyncio.run(connected())


def _file(lattice: str) -> Path:
    return folder(lattice) / "reach.json"
