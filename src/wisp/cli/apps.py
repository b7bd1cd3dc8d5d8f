"""`wisp apps`: lists the apps of a lattice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp.cli import output, reach

if TYPE_CHECKING:
    import argparse

    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.control import View
    from wisp.lattice.records import App


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp apps`."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    from wisp.lattice.commands.control import view  # noqa: PLC0415 - the help does not need it

    seen = reach.with_lattice(arguments, view)
    if arguments.json:
        print(json.dumps([data(seen, app) for app in seen.apps.values()], indent=2))
    elif seen.apps:
        rows = [
            ("APP", "VERSION", "REVISION", "RUNS", "WANTED", ""),
            *(_row(seen, app) for app in seen.apps.values()),
        ]
        print("\n".join(output.columns(rows, indent=0)))
    else:
        print(f"the lattice {reach.lattice_name(arguments)} has no apps")
    return 0


def data(view: View, app: App) -> JsonObject:
    """Return an app as JSON: what is wanted, and how it stands."""
    from wisp.cli import placing  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.commands.standing import standing  # noqa: PLC0415 - the same

    found = standing(view, app.name, app.revision)
    return {
        **placing.data(found),
        "revision": app.revision,
        "version": app.version,
        "digest": app.digest,
        "source": app.source,
        "wishes": app.wishes.model_dump(),
    }


def _row(view: View, app: App) -> tuple[str, ...]:
    from wisp.lattice.commands.standing import standing  # noqa: PLC0415 - the help does not need it

    found = standing(view, app.name, app.revision)
    trouble = f"canary: {found.progress()}" if found.on_trial else ""
    if not found.complete:
        trouble = found.problems()[0]
    return (
        app.name,
        app.version,
        str(app.revision),
        str(len(found.running)),
        str(app.wishes.replicas),
        trouble,
    )
