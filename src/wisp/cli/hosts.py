"""`wisp hosts`: lists the hosts of a lattice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp.cli import output, reach

if TYPE_CHECKING:
    import argparse

    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.control import View


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp hosts`."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    from wisp.lattice.commands.control import view  # noqa: PLC0415 - the help does not need it

    seen = reach.with_lattice(arguments, view)
    if arguments.json:
        print(json.dumps([_data(seen, host) for host in _names(seen)], indent=2))
    elif names := _names(seen):
        rows = [("HOST", "STATE", "URL", "LABELS", "APPS"), *(_row(seen, host) for host in names)]
        print("\n".join(output.columns(rows, indent=0)))
    else:
        print(f"the lattice {reach.lattice_name(arguments)} has no hosts")
    return 0


def _names(view: View) -> list[str]:
    """Return the hosts that are there, and those that are expected to be."""
    assigned = (
        {host for placed in view.assignment.apps for host in placed.everywhere} if view.assignment else set()
    )
    return sorted(view.hosts.keys() | assigned | view.draining)


def _state(view: View, host: str) -> str:
    if host not in view.hosts:
        return "gone"
    if host in view.draining:
        return "draining"
    return "planner" if view.planner == host else "ready"


def _data(view: View, host: str) -> JsonObject:
    record, said = view.hosts.get(host), view.observed.get(host)
    return {
        "host": host,
        "state": _state(view, host),
        "url": record.url if record else None,
        "labels": record.labels if record else {},
        "capacity": record.capacity if record else None,
        "workers": record.workers if record else None,
        "version": record.version if record else None,
        "apps": [one.model_dump() for one in said.apps] if said and record else [],
    }


def _row(view: View, host: str) -> tuple[str, ...]:
    record, said = view.hosts.get(host), view.observed.get(host)
    labels = ",".join(f"{name}={value}" for name, value in sorted(record.labels.items())) if record else ""
    apps = (
        ", ".join(one.app if one.running else f"{one.app} ({one.state})" for one in said.apps)
        if said and record
        else ""
    )
    return host, _state(view, host), record.url if record else "", labels or "-", apps or "-"
