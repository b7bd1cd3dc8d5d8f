"""What `wisp deploy` and `wisp scale` have in common: where and how often an app runs, and waiting until it does."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from wisp.cli import output, reach
from wisp.cli.parser import UsageError, seconds
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.changing import Changes
    from wisp.lattice.commands.control import View
    from wisp.lattice.commands.standing import Standing
    from wisp.lattice.plan.versions import Figures
    from wisp.lattice.records import App
    from wisp.lattice.state import State


def add_placing(parser: argparse.ArgumentParser) -> None:
    """Add `--replicas`, `--require`, `--spread` and `--weight`. What is left out stays as it is."""
    group = parser.add_argument_group("placement; what is left out stays as it was")
    group.add_argument(
        "--replicas", metavar="N|per-host", help="how many hosts run it, or each that fits (at first: 1)"
    )
    group.add_argument(
        "--require",
        action="append",
        metavar="NAME=VALUE",
        help='a label that its hosts must have; may be repeated; "" for none',
    )
    group.add_argument(
        "--spread",
        metavar="LABEL",
        help='a label over whose values replicas are spread evenly, such as zone; "" for none',
    )
    group.add_argument(
        "--weight", type=int, metavar="N", help="what one replica takes of a host's capacity (at first: 1)"
    )


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """Add `--timeout`, `--no-wait` and `--json`."""
    reach.add_timeout(parser, until="it runs")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it runs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def changes(arguments: argparse.Namespace) -> Changes:
    """Return what is to be changed. Raises UsageError."""
    from wisp.lattice.plan.placement import parse_replicas  # noqa: PLC0415 - the help does not need it

    found: Changes = {}
    if arguments.replicas is not None:
        try:
            found["replicas"] = parse_replicas(arguments.replicas)
        except ValueError as error:
            message = f"--replicas: {error}"
            raise UsageError(message) from error
    if arguments.require is not None:
        found["require"] = reach.pairs(filter(None, arguments.require), "--require")
    if arguments.spread is not None:
        found["spread"] = arguments.spread or None
    if arguments.weight is not None:
        if arguments.weight < 1:
            raise UsageError("--weight must be at least 1")
        found["weight"] = arguments.weight
    return found


def carry_out(
    arguments: argparse.Namespace, change: Callable[[State], Awaitable[App]], progress: output.Progress
) -> int:
    """Change an app, wait, and say what has come of it. Raises WispError."""
    written: list[App] = []

    async def work(lattice: State) -> Standing:
        app = await change(lattice)
        written.append(app)
        return await _wait(lattice, app, arguments, progress)

    try:
        found = reach.with_lattice(arguments, work)
    except KeyboardInterrupt:
        progress.close()
        for app in written:
            print(
                f"{app.name}, revision {app.revision}, goes on without this command; `wisp app {app.name}` shows how far it is",
                file=sys.stderr,
            )
        raise
    finally:
        progress.close()
    return conclude(found, arguments)


async def _wait(
    lattice: State, app: App, arguments: argparse.Namespace, progress: output.Progress
) -> Standing:
    """Wait until an app runs everywhere where it is wanted, it is clear that it will not, or the time is over."""
    from wisp.lattice.commands.control import until  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.commands.standing import standing  # noqa: PLC0415 - the same

    limit = seconds(arguments.timeout, "--timeout") + app.strategy.observe_ms / 1000
    told = ""

    def look(view: View) -> bool:
        nonlocal told
        found = standing(view, app.name, app.revision)
        if found.going_on and (news := found.progress()) != told:
            told = news
            progress.report(f"{app.name}: {news}")
        return arguments.no_wait or found.decided

    return standing(await until(lattice, look, limit), app.name, app.revision)


def conclude(found: Standing, arguments: argparse.Namespace) -> int:
    """Say what has come of it. Raises LatticeError when it does not run everywhere where it is wanted."""
    if arguments.json:
        print(json.dumps(data(found), indent=2))
        return 0 if found.complete or arguments.no_wait else 1
    if found.running:
        print("\n".join(output.columns([(one.host, one.url or "") for one in found.running], indent=0)))
    if found.complete or arguments.no_wait:
        print(f"{found.app}, revision {found.revision}, {_outcome(found)}", file=sys.stderr)
        return 0
    first, *others = found.problems()
    message = f"{found.app} does not run everywhere where it is wanted: {first}"
    raise LatticeError(message, hint="\n".join([*others, f"`wisp app {found.app}` shows how it goes on"]))


def _outcome(found: Standing) -> str:
    if not found.on_trial:
        hosts = "1 host" if len(found.running) == 1 else f"{len(found.running)} hosts"
        return f"runs on {hosts}"
    return (
        f"is a canary: {found.progress()};\n`wisp promote {found.app}` gives it all of them,"
        f" `wisp rollback {found.app}` takes it back"
    )


def data(found: Standing) -> JsonObject:
    """Return how an app stands as JSON."""
    return {
        "app": found.app,
        "revision": found.revision,
        "complete": found.complete,
        "canary": found.canary,
        "taken_back": found.taken_back,
        "versions": [
            {
                "version": side.version,
                "digest": side.digest,
                "share": side.share,
                "hosts": side.hosts,
                "figures": figures(side.figures),
            }
            for side in found.sides
        ],
        "hosts": [asdict(one) for one in found.hosts],
        "problems": [] if found.complete else found.problems(),
    }


def figures(found: Figures) -> JsonObject:
    """Return what was counted of a version as JSON."""
    return {**found.model_dump(), "failing": found.failing, "mean_ms": found.mean_ms}
