"""`wisp app`: shows one app of a lattice, on each of its hosts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach
from wisp.cli.apps import data
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.configuring import InForce
    from wisp.lattice.commands.control import View
    from wisp.lattice.commands.standing import Side
    from wisp.lattice.nats.connection import Connection
    from wisp.lattice.nats.waiting import Waiting
    from wisp.lattice.plan.versions import Version
    from wisp.lattice.records import App, Wishes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp app`."""
    parser.add_argument("app", metavar="APP", help="the app's name")
    parser.add_argument("--history", action="store_true", help="show the versions that it has had")
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    lattice = reach.lattice_name(arguments)

    async def look(connection: Connection) -> _Seen:
        from wisp.lattice.commands.configuring import in_force  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.commands.control import view  # noqa: PLC0415 - the same
        from wisp.lattice.nats.waiting import waiting  # noqa: PLC0415 - the same
        from wisp.lattice.state import State  # noqa: PLC0415 - the same

        state = await State.open(connection, lattice)
        found = await view(state)
        if (app := found.apps.get(arguments.app)) is None:
            message = f"the lattice {lattice} has no app {arguments.app}"
            raise LatticeError(message, hint="`wisp apps` lists them")
        groups = await waiting(connection, lattice, app.name)
        return _Seen(found, app, await in_force(state, found, app), groups)

    seen = reach.with_connection(arguments, look)
    app, groups = seen.app, seen.groups
    if arguments.json:
        more = {
            "configuration": asdict(seen.configuration),
            "history": [_entry(one) for one in app.history],
            "messaging": [asdict(one) for one in groups],
        }
        print(json.dumps({**data(seen.view, app), **more}, indent=2))
    elif arguments.history:
        print(
            "\n".join(
                output.columns([("REVISION", "VERSION", "WHEN", ""), *map(_row, app.history)], indent=0)
            )
        )
    else:
        print("\n".join([*_lines(seen), *_takers(groups)]))
    return 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """An app, and what is known of it."""

    view: View
    app: App
    configuration: InForce
    groups: list[Waiting]


def _lines(seen: _Seen) -> Iterator[str]:
    from wisp.lattice.commands.standing import standing  # noqa: PLC0415 - the help does not need it

    app, configuration = seen.app, seen.configuration
    found = standing(seen.view, app.name, app.revision)
    yield f"{app.name} {app.version}, revision {app.revision}, {app.digest[:19]}"
    if app.source:
        yield f"from    {app.source}"
    configured = f", configuration {configuration.wanted}" if configuration.any else ""
    yield f"wanted  {_wanted(app.wishes)}{configured}"
    if app.history and (why := app.history[-1].why):
        yield f"why     {why}"
    yield from output.columns(map(_side, found.sides))
    several = bool(found.sides)
    rows = [
        (
            one.host,
            one.state,
            *([one.version] if several else ()),
            *([_configured(configuration.hosts.get(one.host))] if configuration.any else ()),
            one.url or "",
            one.error or "",
        )
        for one in found.hosts
    ]
    yield from output.columns(rows)
    if not found.complete:
        yield from (f"  {problem}" for problem in found.problems())


def _configured(version: int | None) -> str:
    return "" if version is None else f"configuration {version}"


def _side(side: Side) -> tuple[str, ...]:
    counted = side.figures
    return (
        side.version,
        f"{side.share} % of the requests",
        f"{counted.requests:,} in the last minutes, {counted.failing:.1f} % failed, {counted.mean_ms:.1f} ms on average"
        if counted.requests
        else "none in the last minutes",
    )


def _row(one: Version) -> tuple[str, ...]:
    when = datetime.fromtimestamp(one.at / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(one.revision), one.version, when, one.why or ("taken back" if one.withdrawn else "")


def _entry(one: Version) -> JsonObject:
    compared = one.figures
    sides = {"old": compared.old, "new": compared.new} if compared else {}
    counted = {side: placing.figures(found) for side, found in sides.items()}
    return {**one.model_dump(), "figures": counted or None}


def _takers(groups: Iterable[Waiting]) -> Iterator[str]:
    for one in groups:
        waits = "nothing waits" if not one.waiting else f"{one.waiting} wait{'' if one.waiting > 1 else 's'}"
        yield f"{one.group} takes {one.subject}: {waits}"


def _wanted(wishes: Wishes) -> str:
    parts = [f"{wishes.replicas} replicas" if wishes.replicas != 1 else "1 replica"]
    if wishes.replicas == "per-host":
        parts = ["a replica on each host"]
    if wishes.require:
        parts.append("with " + ", ".join(f"{name}={value}" for name, value in wishes.require.items()))
    if wishes.spread:
        parts.append(f"spread over {wishes.spread}")
    if wishes.weight != 1:
        parts.append(f"weight {wishes.weight}")
    return ", ".join(parts)
