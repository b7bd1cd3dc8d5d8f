"""What `wisp config` and `wisp secret` have in common: which app, and waiting until all its hosts have what was changed."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from wisp.cli import output, reach
from wisp.cli.parser import seconds
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterator

    from wisp.lattice.commands.configuring import Reached
    from wisp.lattice.configuration import Configuration
    from wisp.lattice.records import App
    from wisp.lattice.state import State
    from wisp.manifest.locked import LockedApp

SOON = 2.0
"""Seconds after which it is said where a change has not arrived yet."""


def add_app_name(parser: argparse.ArgumentParser) -> None:
    """Add APP."""
    parser.add_argument("app", metavar="APP", help="the app's name")


def add_change(parser: argparse.ArgumentParser) -> None:
    """Add what every change takes."""
    parser.add_argument(
        "--timeout",
        default="10s",
        metavar="TIME",
        help="how long to wait until all hosts of the app have it (default: %(default)s)",
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait until they have it")
    add_looking(parser)


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def changed(arguments: argparse.Namespace, work: Callable[[State], Awaitable[App]]) -> int:
    """Change something, wait until it is in force on all hosts of the app, and say so. Raises LatticeError when it is not."""
    limit = seconds(arguments.timeout, "--timeout")
    progress = output.Progress(quiet=arguments.json)

    def late(found: Reached) -> None:
        for host, why in found.missing.items():
            progress.report(f"not yet on host {host}: {why}")

    async def done(lattice: State) -> tuple[Configuration, Reached | None, float]:
        from wisp.lattice.commands import configuring  # noqa: PLC0415 - the help does not need it

        app = await work(lattice)
        began = time.monotonic()
        found = (
            None
            if arguments.no_wait
            else await configuring.until_in_force(lattice, arguments.app, limit, late, SOON)
        )
        return await configuring.read(lattice, app), found, time.monotonic() - began

    try:
        configuration, found, took = reach.with_lattice(arguments, done)
    finally:
        progress.close()
    return _conclude(arguments, configuration, found, took)


def _conclude(
    arguments: argparse.Namespace, configuration: Configuration, found: Reached | None, took: float
) -> int:
    missing = found.missing if found else {}
    if arguments.json:
        data = {
            "app": arguments.app,
            "version": configuration.version,
            "hosts": sorted(found.hosts) if found else [],
            "missing": missing,
            "seconds": round(took, 3),
        }
        print(json.dumps(data, indent=2))
        return 1 if missing else 0
    what = f"{arguments.app} has version {configuration.version} of its configuration"
    if missing:
        where = "; ".join(f"host {host}: {why}" for host, why in missing.items())
        message = f"{what}, and it is not in force everywhere: {where}"
        raise LatticeError(message, hint="those hosts take it over as soon as they can")
    if found is None:
        print(what, file=sys.stderr)
    elif found.hosts:
        names = "1 host" if len(found.hosts) == 1 else f"all {len(found.hosts)} hosts"
        print(f"{what}, in force on {names} after {output.duration(took)}", file=sys.stderr)
    else:
        print(f"{what}; no host runs it now", file=sys.stderr)
    return 0


def moment(milliseconds: int) -> str:
    """Write when something was changed."""
    from datetime import datetime  # noqa: PLC0415 - the help does not need it

    return f"{datetime.fromtimestamp(milliseconds / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


async def locked(lattice: State, app: App) -> LockedApp:
    """Return what an app says of its configuration itself. Raises LatticeError."""
    from wisp.lattice.running.preparing import read_locked  # noqa: PLC0415 - the help does not need it

    return read_locked(await lattice.objects.get(app.digest))


def secrets_of(app: LockedApp) -> Iterator[tuple[str, str]]:
    """Return where an app takes the secrets from that nobody has set, by name."""
    for name, secret in sorted(app.secrets.items()):
        if secret.environment is None:
            yield name, "nowhere: a lattice reads no files and runs no commands that an app names"
        else:
            default = ", or its default" if secret.default is not None else ""
            yield name, f"the hosts' variable {secret.environment}{default}"
