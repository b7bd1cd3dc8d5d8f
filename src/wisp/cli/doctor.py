"""`wisp doctor`: says what this machine has, what it lacks, and how to mend it.

A tool is needed only by those who write in its language. So a missing one makes the command fail only when a component
of the app in the folder is written in that language; otherwise it is a note.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import wisp
from wisp.build import builders, detect
from wisp.cli import machine, output
from wisp.cli.machine import Check, Status
from wisp.cli.parser import add_app
from wisp.errors import ManifestError, WispError
from wisp.host import binary
from wisp.manifest import load
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("missing", "red")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp doctor`."""
    add_app(parser, "the app whose tools must be there (default: the one in this folder, if any)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, and fail when something needed is missing."""
    if not arguments.path.exists():
        message = f"there is no file or folder {arguments.path}"
        raise ManifestError(message, path=arguments.path)
    found = list(examine(arguments.path))
    healthy = all(check.status != "missing" for check in found)
    if arguments.json:
        print(json.dumps({"healthy": healthy, "checks": [asdict(check) for check in found]}, indent=2))
    else:
        print("\n".join(_screen(found)))
    return 0 if healthy else 1


def examine(path: Path) -> Iterator[Check]:
    """Look at everything: wisp, the machine, the cache, the tools of each language."""
    yield Check("wisp", "version", "ok", wisp.__version__)
    yield Check("wisp", "python", "ok", f"{sys.version.split()[0]} ({sys.executable})")
    yield _core()
    yield _worker()
    yield from machine.checks()
    yield from _cache()
    yield from _tools(path)


def _core() -> Check:
    from wisp import native  # noqa: PLC0415 - it may be what is missing

    try:
        version = native.version()
        key = native.engine_key("sync", "cranelift")
    except ImportError as error:
        hint = "install wisp again; from its sources: make build"
        return Check("wisp", "core", "missing", f"the extension module does not load: {error}", hint)
    if version != wisp.__version__:
        hint = "install wisp again; from its sources: make build"
        return Check("wisp", "core", "missing", f"{version}, but this is wisp {wisp.__version__}", hint)
    return Check("wisp", "core", "ok", f"{version}, engine {key}")


def _worker() -> Check:
    try:
        program = binary.find()
        asyncio.run(binary.check(program))
    except WispError as error:
        return Check("wisp", "worker", "missing", error.message, error.hint or "")
    return Check("wisp", "worker", "ok", str(program))


def _cache() -> Iterator[Check]:
    root = Cache.default_root()
    size = sum(usage.size for usage in Cache(root).usage())
    yield Check("cache", "folder", "ok", f"{root} ({output.size(size)})")
    rights = machine.cache_rights(root)
    yield rights
    if rights.status == "ok":
        yield machine.cache_room(root)


def _tools(path: Path) -> Iterator[Check]:
    needed = _languages(path)
    for builder in builders():
        required = builder.language in needed
        for tool in builder.tools(needed.get(builder.language)):
            value = f"{tool.found or 'not found'} (needed: {tool.required})"
            status: Status = "ok" if tool.usable else "missing" if required else "note"
            yield Check(f"tools for {builder.language}", tool.name, status, value, tool.install)


def _languages(path: Path) -> dict[str, Path]:
    """Return the languages of the app at a path, each with a folder that is written in it."""
    try:
        manifest = load.load(path)
    except ManifestError:
        # It is wrong, which is not the machine's fault.
        manifest = None
    if manifest is None:
        return {}
    folders = [manifest.local_source(name) for name in manifest.component]
    found = [(detect(folder), folder) for folder in folders if folder is not None and folder.is_dir()]
    return {builder.language: folder for builder, folder in found if builder is not None}


def _screen(found: list[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in found)
    for group, checks in groupby(found, key=lambda check: check.group):
        yield output.paint(group, "bold", stream=sys.stdout)
        for check in checks:
            word, colour = _MARKS[check.status]
            mark = output.paint(f"{word:8}", colour, stream=sys.stdout)
            yield f"  {mark}{check.name:{width}}  {check.value}"
            if check.hint and check.status != "ok":
                yield f"  {'':8}{'':{width}}  -> {check.hint}"
    missing = sum(check.status == "missing" for check in found)
    yield ""
    yield "everything needed is there" if not missing else f"missing: {missing}"
