"""`wisp store`: shows, writes out, reads in and checks the stores of an app. A host may be serving it meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import Subcommand, add_app, add_commands
from wisp.errors import StoreError
from wisp.host.resolve import Place
from wisp.host.stores import blobs, checking, found, lines, tables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from wisp.host.stores.found import Store
    from wisp.host.stores.lines import Header, Line
    from wisp.manifest.models import Manifest

_EVERY = 0.5
"""Seconds between two sentences about what was done so far."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp store`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _add_place(parser: argparse.ArgumentParser) -> None:
    add_app(parser, "the app (default: the one in this folder)")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="where the stores of apps are, each below its name (default: .wisp/state beside the manifest)",
    )
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")


def _manifest(arguments: argparse.Namespace) -> Manifest:
    from wisp.cli.assemble import find  # noqa: PLC0415 - slow to import
    from wisp.cli.prepared import PrepareOptions  # noqa: PLC0415 - the same

    return find(arguments.path, PrepareOptions(profile=arguments.profile))


def _state(arguments: argparse.Namespace, manifest: Manifest) -> Path:
    return Place.of(manifest.app.name, manifest.folder, arguments.state).state


def _configure_list(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _list(arguments: argparse.Namespace) -> int:
    state = _state(arguments, _manifest(arguments))
    described = [_described(store) for store in found.stores(state)]
    if arguments.json:
        print(json.dumps(described, indent=2))
    elif described:
        print("\n".join(output.columns([_row(store) for store in described], indent=0)))
    else:
        print(f"{output.short(state)}: no stores")
    return 0


def _described(store: Store) -> dict[str, object]:
    facts: dict[str, object] = {"kind": store.kind, "name": store.name, "path": str(store.path)}
    if store.kind == found.BLOBS:
        return {**facts, "size": store.size, "entries": len(found.objects(store.path)), "format": None}
    try:
        form = tables.header(store).format if found.KINDS[store.kind].newest is not None else None
        return {**facts, "size": store.size, "entries": tables.entries(store), "format": form}
    except StoreError as error:
        return {**facts, "size": store.size, "entries": None, "format": None, "problem": error.message}


def _row(facts: dict[str, object]) -> tuple[str, ...]:
    title = f"{facts['kind']}/{facts['name']}"
    if "problem" in facts:
        return title, output.size(int(str(facts["size"]))), str(facts["problem"])
    noun = {"blobstore": "objects", "messaging": "messages"}.get(str(facts["kind"]), "entries")
    form = "" if facts["format"] is None else f"format {facts['format']}"
    return title, output.size(int(str(facts["size"]))), f"{facts['entries']} {noun}", form


def _configure_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="KIND/NAME", help="the store, as `wisp store list` calls it")
    _add_place(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write it (default: standard output)"
    )


def _export(arguments: argparse.Namespace) -> int:
    store = found.named(_state(arguments, _manifest(arguments)), arguments.store)
    if not store.path.exists():
        message = f"there is no store {store.title}"
        raise StoreError(message, hint="`wisp store list` shows what there is")
    head, content = (blobs if store.kind == found.BLOBS else tables).dump(store)
    with _progress(f"{store.title}: exporting", content) as content, _target(arguments.output) as stream:
        lines.write(head, content, stream)
    return 0


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[IO[bytes]]:
    """Open where to write; a file is there when all of it is."""
    if path is None:
        yield sys.stdout.buffer
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        message = f"cannot write {output.short(path)}: {error.strerror}"
        raise StoreError(message) from error
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress(what: str, content: Iterator[Line]) -> Iterator[Iterator[Line]]:
    """Tell now and then how far it is."""
    progress = output.Progress()

    def counted() -> Iterator[Line]:
        said = time.monotonic()
        for number, line in enumerate(content, start=1):
            yield line
            if time.monotonic() - said > _EVERY:
                said = time.monotonic()
                progress.report(f"{what}, {number} lines")

    try:
        yield counted()
    finally:
        progress.close()


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="what `wisp store export` wrote; `-` for standard input"
    )
    _add_place(parser)
    parser.add_argument(
        "--to", metavar="NAME", help="the name of the store that it becomes (default: the name that it had)"
    )
    parser.add_argument(
        "--replace", action="store_true", help="put it in the place of a store that is not empty"
    )


def _import(arguments: argparse.Namespace) -> int:
    state = _state(arguments, _manifest(arguments))
    with _source(arguments.file) as stream:
        head, content = lines.read(stream)
        store = found.named(state, f"{head.kind}/{arguments.to or head.name}")
        with _progress(f"{store.title}: importing", content) as content:
            count = _load(store, head, content, replace=arguments.replace)
    print(f"imported {count} entries into {store.title}", file=sys.stderr)
    return 0


def _load(store: Store, head: Header, content: Iterator[Line], *, replace: bool) -> int:
    load = blobs.load if store.kind == found.BLOBS else tables.load
    try:
        return load(store, head, content, replace=replace)
    except OSError as error:
        raise found.failure(store, error) from error


@contextlib.contextmanager
def _source(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        message = f"cannot read {output.short(path)}: {error.strerror}"
        raise StoreError(message) from error
    with stream:
        yield stream


def _configure_check(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _check(arguments: argparse.Namespace) -> int:
    manifest = _manifest(arguments)
    state = _state(arguments, manifest)
    findings = list(checking.check(state, _quotas(manifest)))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.store}: {finding.problem}")
            if finding.hint is not None:
                print(f"  hint: {finding.hint}")
        if not findings:
            count = len(found.stores(state))
            print(f"{count} store{'' if count == 1 else 's'}, nothing wrong")
    return 1 if findings else 0


def _quotas(manifest: Manifest) -> dict[str, int]:
    """Return how large each store may be: for the component that may have most."""
    quotas: dict[str, int] = {}
    for component in manifest.component.values():
        granted = component.grants
        for kind, names in (
            ("keyvalue", granted.keyvalue),
            ("sqlite", granted.sqlite),
            (found.BLOBS, granted.blobstore),
        ):
            for name in names:
                title = f"{kind}/{name}"
                quotas[title] = max(component.limits.store, quotas.get(title, 0))
    return quotas


COMMANDS = {
    "list": Subcommand(
        "Show the stores of an app: kind, name, size, entries, format",
        (("wisp store list", "those of the app in this folder"), ("wisp store list --json", "for a program")),
        _configure_list,
        _list,
    ),
    "export": Subcommand(
        "Write a store out as JSON lines, as it is at one moment",
        (
            ("wisp store export keyvalue/default -o backup.jsonl", "to a file"),
            ("wisp store export sqlite/orders | zstd > orders.zst", "to another program"),
        ),
        _configure_export,
        _export,
    ),
    "import": Subcommand(
        "Make a store of what was written out: all of it, or nothing is changed",
        (
            ("wisp store import backup.jsonl", "into a store that is not there, or empty"),
            ("wisp store import backup.jsonl --replace", "in the place of what is there"),
            ("wisp store import backup.jsonl --to copy", "under another name"),
        ),
        _configure_import,
        _import,
    ),
    "check": Subcommand(
        "Say what is wrong with the stores of an app; exits with 1 if something is",
        (("wisp store check", "those of the app in this folder"),),
        _configure_check,
        _check,
    ),
}
