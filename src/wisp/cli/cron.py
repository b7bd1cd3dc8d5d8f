"""`wisp cron`: shows the schedules of an app, or has one of its components run now.

A run by hand takes the way of a planned one: a worker is started for it, with the app's grants, limits and stores. It does
not matter whether a host is running the app meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import Subcommand, UsageError, add_app, add_commands
from wisp.errors import ManifestError, WispError
from wisp.host.address import Address
from wisp.host.cron import order
from wisp.host.log import Log
from wisp.host.schedule import Job, jobs
from wisp.host.settings import HostSettings, LogSettings, Start
from wisp.host.supervisor import Supervisor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.cli.prepared import PreparedApp
    from wisp.host.control import Ran
    from wisp.host.settings import JsonObject
    from wisp.manifest.models import Manifest


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp cron`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    add_app(parser, "the app (default: the one in this folder)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many of the next runs (1)")
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _list(arguments: argparse.Namespace) -> int:
    from wisp.cli.assemble import find  # noqa: PLC0415 - slow to import
    from wisp.cli.prepared import PrepareOptions  # noqa: PLC0415 - the same

    if arguments.count < 1:
        raise UsageError("--count must be at least 1")
    manifest, now = find(arguments.path, PrepareOptions(profile=arguments.profile)), datetime.now(UTC)
    found = [(job, tuple(islice(job.planned(now), arguments.count))) for job in _jobs(manifest)]
    if arguments.json:
        print(json.dumps([_data(job, moments) for job, moments in found], indent=2))
    elif found:
        print("\n".join(output.columns(_rows(found), indent=0)))
    else:
        print(f"{output.short(manifest.path)} has no [[cron]]")
    return 0


def _jobs(manifest: Manifest) -> Iterator[Job]:
    for cron in manifest.cron:
        yield Job(app=manifest.app.name, state=manifest.folder, **cron.model_dump())


def _data(job: Job, moments: tuple[datetime, ...]) -> JsonObject:
    return {
        "component": job.component,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "overlap": job.overlap,
        "next": [moment.isoformat() for moment in moments],
    }


def _rows(found: list[tuple[Job, tuple[datetime, ...]]]) -> Iterator[tuple[str, ...]]:
    for job, moments in found:
        first, *others = [f"{moment:%Y-%m-%d %H:%M} UTC" for moment in moments] or ["never"]
        yield job.component, job.schedule, job.timezone, first
        yield from (("", "", "", moment) for moment in others)


def _configure_run(parser: argparse.ArgumentParser) -> None:
    from pathlib import Path  # noqa: PLC0415 - as all that only the parser wants

    parser.add_argument("component", metavar="COMPONENT", help="the component that runs")
    add_app(parser, "the app (default: the one in this folder)")
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="where the stores of apps are, each below its name (default: .wisp/state beside the manifest)",
    )
    parser.add_argument(
        "--log-format", choices=("text", "json"), help="how log lines look (default: text on a terminal)"
    )


def _run(arguments: argparse.Namespace) -> int:
    ran = asyncio.run(_once(arguments))
    took = output.duration(ran.microseconds / 1_000_000)
    if ran.failure is not None:
        message = f"{arguments.component} failed after {took}: {ran.failure}"
        raise WispError(message)
    print(f"{arguments.component} ran in {took}", file=sys.stderr)
    return 0


async def _once(arguments: argparse.Namespace) -> Ran:
    app = await _prepared(arguments)
    start = await _start(app, arguments.state)
    job = _job(arguments.component, start)
    settings = HostSettings(
        address=Address("127.0.0.1", 0),  # a worker has a listener; nobody is told of this one
        workers=1,
        log=LogSettings(format=arguments.log_format or ("text" if sys.stdout.isatty() else "json")),
    )
    supervisor = Supervisor(settings, Log(settings.log), _recover)
    at_once = asyncio.Event()
    try:
        await supervisor.open()
        await supervisor.serve(start)
        return await supervisor.run(order(job, datetime.now(UTC)))
    except BaseException:
        at_once.set()  # Ctrl-C does not wait for the run
        raise
    finally:
        await supervisor.stop(at_once)


async def _prepared(arguments: argparse.Namespace) -> PreparedApp:
    from wisp.cli.prepare import PrepareOptions, prepare  # noqa: PLC0415 - not for a list

    progress = output.Progress()
    try:
        options = PrepareOptions(profile=arguments.profile)
        return (await prepare([arguments.path], options, progress.report))[0]
    finally:
        progress.close()


async def _recover(digest: str) -> JsonObject:
    from wisp.cli.prepare import recompile  # noqa: PLC0415 - rarely needed

    return await recompile(digest, "cranelift")


async def _start(app: PreparedApp, state: Path | None) -> Start:
    from wisp.cli import ground  # noqa: PLC0415 - not for a list

    told = await ground.resolved(app, app.locked, ground.Given({}, state, None))
    return Start(apps=(told,), artifacts=app.artifacts)


def _job(component: str, start: Start) -> Job:
    known = jobs(start.apps)
    found = next((job for job in known if job.component == component), None)
    if found is None:
        message = f"no [[cron]] names a component {component}"
        names = ", ".join(dict.fromkeys(job.component for job in known))
        raise ManifestError(message, hint=f"those that run by the clock: {names or 'none'}")
    return found


COMMANDS = {
    "list": Subcommand(
        "Show the schedules of an app, and when they come next",
        (
            ("wisp cron list", "those of the app in this folder"),
            ("wisp cron list --count 5", "the next five runs of each"),
        ),
        _configure_list,
        _list,
    ),
    "run": Subcommand(
        "Run a component once, now, as its schedule would",
        (
            ("wisp cron run cleanup", "of the app in this folder"),
            ("wisp cron run cleanup examples/jobs", "of another app"),
        ),
        _configure_run,
        _run,
    ),
}
