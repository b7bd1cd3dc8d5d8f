"""`wisp deploy`: builds an app, puts it into a lattice, and waits until it answers."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output, placing, reach, rolling
from wisp.cli.parser import add_registries
from wisp.errors import ManifestError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from wisp.cli.prepare import PrepareOptions
    from wisp.cli.prepared import PreparedApp, Report
    from wisp.host.settings import JsonObject
    from wisp.lattice.commands.control import Bundle
    from wisp.lattice.records import App
    from wisp.lattice.state import State
    from wisp.manifest.locked import LockedApp


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp deploy`."""
    parser.add_argument(
        "path",
        nargs="?",
        default=".",
        metavar="PATH|REF",
        help="the app: a folder, a manifest, a .wasm file, or a reference of an OCI registry such as ghcr.io/acme/shop:1.2"
        " (default: this folder)",
    )
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument("--locked", action="store_true", help="fail rather than change wisp.lock")
    placing.add_placing(parser)
    rolling.add_rolling(parser)
    placing.add_waiting(parser)
    add_registries(parser)
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Deploy, wait, and say what has come of it."""
    changes, strategy = placing.changes(arguments), rolling.strategy(arguments)
    progress = output.Progress(quiet=arguments.json)
    try:
        app = asyncio.run(_prepared(arguments, progress))
    finally:
        progress.close()

    async def change(lattice: State) -> App:
        from wisp.lattice.commands.control import deploy  # noqa: PLC0415 - the help does not need it

        bundle = await asyncio.to_thread(_bundle, app)
        wanted = await deploy(lattice, bundle, changes, progress.report, strategy)
        progress.report(f"waiting for {wanted.name}, revision {wanted.revision}")
        return wanted

    return placing.carry_out(arguments, change, progress)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where an app is on this machine, and where it was pulled from."""

    path: Path
    source: str | None = None
    evidence: str | None = field(default=None, repr=False)
    """What speaks for it there, for the policies of hosts."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """An app that can be put into a lattice."""

    app: PreparedApp
    locked: bytes = field(repr=False)
    """With digests in place of folders."""

    folders: Mapping[str, Callable[[], bytes]]
    origin: _Origin


async def _prepared(arguments: argparse.Namespace, progress: output.Progress) -> _Ready:
    from wisp.cli.prepare import PrepareOptions, prepare  # noqa: PLC0415 - the help does not need it

    options = PrepareOptions(
        profile=arguments.profile,
        locked=arguments.locked,
        insecure=tuple(arguments.insecure),
        authority=arguments.ca,
        policy=arguments.policy,
    )
    found = await _found(arguments.path, options, progress)
    meanwhile = _Meanwhile(progress.report)
    app = (await prepare([found.path], options, meanwhile.report))[0]
    await meanwhile.over()
    return await _ready(app, found, arguments.profile, progress)


async def _ready(app: PreparedApp, origin: _Origin, profile: str | None, progress: output.Progress) -> _Ready:
    from wisp.lattice.running import folders  # noqa: PLC0415 - it is loaded while the app is compiled
    from wisp.lattice.running.preparing import read_locked  # noqa: PLC0415 - the same

    locked, packed = await asyncio.to_thread(folders.pack, app.locked, app.folder)
    ready = _Ready(app, _written(locked), packed, origin)
    await asyncio.to_thread(_refuse_foreign, read_locked(ready.locked), origin.path, profile)
    for remark in app.remarks:
        progress.say(f"note: {remark}")
    return ready


class _Meanwhile:
    """Loads what speaks to a lattice while something else is waited for: a tool that builds, or the compiler."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._loading: threading.Thread | None = None
        self._lock = threading.Lock()

    def report(self, message: str) -> None:
        """Pass on what is reported: something that takes a while has begun."""
        self._report(message)
        with self._lock:
            if self._loading is None:
                self._loading = threading.Thread(target=self._load, daemon=True)
                self._loading.start()

    async def over(self) -> None:
        """Wait until it is loaded, if that has begun."""
        if self._loading is not None:
            await asyncio.to_thread(self._loading.join)

    def _load(self) -> None:
        import wisp.lattice.commands.control  # noqa: PLC0415 - it is what this is for
        import wisp.lattice.commands.standing  # noqa: F401, PLC0415 - those who need it import it later


def _refuse_foreign(app: LockedApp, path: Path, profile: str | None) -> None:
    """Refuse what hosts could not serve, with the line that says it. Raises ManifestError."""
    from wisp.lattice.running.preparing import foreign  # noqa: PLC0415 - the help does not need it
    from wisp.manifest.load import load  # noqa: PLC0415 - the same
    from wisp.manifest.origins import Origins  # noqa: PLC0415 - the same

    if (one := next(foreign(app), None)) is None:
        return
    manifest = load(path, profile=profile)
    at = Origins(manifest, profile).of(one.component, *one.keys) if manifest else None
    raise ManifestError(
        one.message,
        hint=one.hint,
        path=manifest.path if manifest else path,
        line=at.line if at else None,
        column=at.column if at else None,
    )


async def _found(place: str, options: PrepareOptions, progress: output.Progress) -> _Origin:
    """Return where an app is on this machine, and where it was pulled from: hosts need no registry, and see no tag."""
    from wisp.manifest import references  # noqa: PLC0415 - the help does not need it

    if not references.is_remote(place):
        return _Origin(Path(place))
    from wisp.cli import registries, remote  # noqa: PLC0415 - few apps come from registries

    found = await remote.fetched(registries.reference_of(place), options, progress.report)
    evidence = await remote.evidence(found.reference, options, progress.report)
    return _Origin(found.path, str(found.reference), evidence)


def _bundle(ready: _Ready) -> Bundle:
    from functools import partial  # noqa: PLC0415 - the help does not need it

    from wisp.lattice.commands.control import Bundle  # noqa: PLC0415 - the same
    from wisp.registry.cache import Cache  # noqa: PLC0415 - the same

    cache, app = Cache.open(), ready.app
    return Bundle(
        name=app.name,
        version=str(app.locked["version"]),
        locked=ready.locked,
        components={**{digest: partial(cache.read, digest) for digest in app.artifacts}, **ready.folders},
        source=ready.origin.source,
        evidence=ready.origin.evidence,
    )


def _written(locked: JsonObject) -> bytes:
    """Write the locked app, the same bytes for the same app."""
    return json.dumps(locked, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
