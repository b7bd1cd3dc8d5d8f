"""`wisp lattice status`: says whether a lattice is well."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from wisp.cli import output, reach
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.health import Health
    from wisp.lattice.state import State


def show(arguments: argparse.Namespace) -> int:
    """Print how it is; 1 when something is wrong."""
    try:
        health = reach.with_lattice(arguments, _look)
    except LatticeError as error:
        if not arguments.json:
            raise
        print(json.dumps({"lattice": reach.lattice_name(arguments), "problems": [error.message]}, indent=2))
        return 1
    if arguments.json:
        print(json.dumps(_data(health), indent=2))
    else:
        print("\n".join(output.columns(_rows(health), indent=0)), flush=True)
        for remark in health.remarks:
            print(f"note: {remark}", file=sys.stderr)
        for problem in health.problems:
            print(f"{output.paint('error:', 'red', stream=sys.stderr)} {problem}", file=sys.stderr)
    return 1 if health.problems else 0


async def _look(lattice: State) -> Health:
    from wisp.lattice.commands.control import view  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.commands.health import look  # noqa: PLC0415 - the same

    return await look(lattice, await view(lattice))


def _rows(health: Health) -> Iterator[tuple[str, str]]:
    nats = health.nats
    servers = f" ({', '.join(nats.servers)})" if nats.servers else ""
    yield "lattice", health.lattice
    yield "nats", "1 server" if nats.replicas == 1 else f"{nats.current} of {nats.replicas} replicas{servers}"
    yield "planner", health.planner or "nobody"
    gone = f"; gone: {', '.join(health.gone)}" if health.gone else ""
    yield "hosts", f"{len(health.hosts)}{gone}"
    yield (
        "apps",
        f"{health.apps}, {len(health.short)} of them not as wanted" if health.short else str(health.apps),
    )


def _data(health: Health) -> JsonObject:
    return {
        "lattice": health.lattice,
        "well": not health.problems,
        "nats": health.nats._asdict(),
        "planner": health.planner,
        "hosts": health.hosts,
        "gone": health.gone,
        "draining": health.draining,
        "apps": health.apps,
        "short": health.short,
        "problems": health.problems,
        "remarks": health.remarks,
    }
