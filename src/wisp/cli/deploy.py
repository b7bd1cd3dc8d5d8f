"""`wisp deploy`: builds an app, puts it into a lattice, and waits until it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach, rolling
from wisp.cli.parser import add_app

if TYPE_CHECKING:
    import argparse

    from wisp.cli.prepared import PreparedApp
    from wisp.lattice.control import Bundle
    from wisp.lattice.records import App
    from wisp.lattice.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp deploy`."""
    add_app(parser, "the app: a folder, a manifest or a .wasm file (default: this folder)")
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument("--locked", action="store_true", help="fail rather than change wisp.lock")
    placing.add_placing(parser)
    rolling.add_rolling(parser)
    placing.add_waiting(parser)
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Deploy, wait, and say what has come of it."""
    import asyncio  # noqa: PLC0415 - the help does not need it

    changes, strategy = placing.changes(arguments), rolling.strategy(arguments)
    progress = output.Progress(quiet=arguments.json)
    try:
        app = asyncio.run(_prepared(arguments, progress))
    finally:
        progress.close()

    async def change(lattice: State) -> App:
        from wisp.lattice.control import deploy  # noqa: PLC0415 - the help does not need it

        bundle = await asyncio.to_thread(_bundle, app)
        wanted = await deploy(lattice, bundle, changes, progress.report, strategy)
        progress.report(f"waiting for {wanted.name}, revision {wanted.revision}")
        return wanted

    return placing.carry_out(arguments, change, progress)


async def _prepared(arguments: argparse.Namespace, progress: output.Progress) -> PreparedApp:
    from wisp.cli.prepare import PrepareOptions, prepare  # noqa: PLC0415 - the help does not need it
    from wisp.lattice.preparing import read_locked, refuse_foreign  # noqa: PLC0415 - the same

    options = PrepareOptions(profile=arguments.profile, locked=arguments.locked)
    app = (await prepare([arguments.path], options, progress.report))[0]
    refuse_foreign(read_locked(_locked(app)))
    for remark in app.remarks:
        progress.say(f"note: {remark}")
    return app


def _bundle(app: PreparedApp) -> Bundle:
    from functools import partial  # noqa: PLC0415 - the help does not need it

    from wisp.lattice.control import Bundle  # noqa: PLC0415 - the same
    from wisp.registry.cache import Cache  # noqa: PLC0415 - the same

    cache = Cache.open()
    return Bundle(
        name=app.name,
        version=str(app.locked["version"]),
        locked=_locked(app),
        components={digest: partial(cache.read, digest) for digest in app.artifacts},
    )


def _locked(app: PreparedApp) -> bytes:
    """Write the locked app, the same bytes for the same app."""
    return json.dumps(app.locked, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
