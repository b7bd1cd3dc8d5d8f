"""`wisp wit add`, `lock` and `update`: the packages in `wit/deps`."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wisp.cli import output
from wisp.cli.parser import UsageError, add_registries
from wisp.errors import WitError
from wisp.manifest.digests import parse_digest
from wisp.manifest.references import SCHEME

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from wisp.wit.dependencies import Dependencies, Event, Source


def configure_add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit add`."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a folder or a file with WIT, a component, the name of a package of WASI or wisp such as wasi:keyvalue,"
        " oci://… with what a registry has, or https://…#sha256:… with the digest of what lies there",
    )
    _configure(parser)


def configure_lock(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit lock`."""
    parser.add_argument(
        "--check", action="store_true", help="change nothing, and fail if something would change"
    )
    _configure(parser)


def configure_update(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit update`."""
    parser.add_argument("names", nargs="*", metavar="PACKAGE", help="packages such as wasi:io (default: all)")
    _configure(parser)


def add(arguments: argparse.Namespace) -> int:
    """Put packages into `deps`, and pin them."""
    sources = [_source(text, arguments) for text in arguments.sources]
    return _say(_dependencies(arguments).add(sources), as_json=arguments.json)


def lock(arguments: argparse.Namespace) -> int:
    """Make `deps` and the lock file agree."""
    return _say(_dependencies(_present(arguments)).lock(check=arguments.check), as_json=arguments.json)


def update(arguments: argparse.Namespace) -> int:
    """Read local sources again."""
    return _say(_dependencies(_present(arguments)).update(arguments.names), as_json=arguments.json)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wit",
        type=Path,
        default=Path("wit"),
        metavar="DIR",
        help="the folder with the WIT (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def _present(arguments: argparse.Namespace) -> argparse.Namespace:
    if not arguments.wit.is_dir():
        message = f"there is no folder {output.short(arguments.wit)}"
        raise WitError(message, hint="say where the WIT is, with --wit DIR")
    return arguments


def _dependencies(arguments: argparse.Namespace) -> Dependencies:
    from wisp.wit.dependencies import Dependencies  # noqa: PLC0415 - `wisp wit show` needs no pydantic

    return Dependencies(arguments.wit, partial(_fetch, arguments))


def _fetch(arguments: argparse.Namespace, url: str, digest: str) -> Path:
    if url.startswith(SCHEME):
        return _pulled(arguments, url).path
    from wisp.registry.cache import Cache  # noqa: PLC0415 - rarely needed
    from wisp.registry.fetch import fetch  # noqa: PLC0415 - rarely needed

    return asyncio.run(fetch(Cache.open(), url, digest, report=output.Progress().report))


class _Pulled(NamedTuple):
    """A component that a registry has."""

    place: str
    """Its reference, pinned."""

    digest: str
    path: Path


def _pulled(arguments: argparse.Namespace, text: str) -> _Pulled:
    """Get what a reference names into the cache."""
    from wisp.cli import registries  # noqa: PLC0415 - rarely needed
    from wisp.registry.cache import Cache  # noqa: PLC0415
    from wisp.registry.oci import components  # noqa: PLC0415

    reference = registries.reference_of(text)
    options = registries.options_of(arguments)
    cache = Cache.open()

    async def pull() -> _Pulled:
        async with registries.accessible(options, output.Progress().report) as client:
            found = await components.find(client, reference, registries.gate(options))
            digest = await components.pull(client, found, cache)
            return _Pulled(f"{SCHEME}{found.reference}", digest, cache.component(digest))

    return asyncio.run(pull())


def _source(text: str, arguments: argparse.Namespace) -> Source:
    from wisp.manifest.urls import parse_url  # noqa: PLC0415 - `wisp wit show` does without
    from wisp.wit import shipped  # noqa: PLC0415
    from wisp.wit.dependencies import Source  # noqa: PLC0415

    if text.startswith(SCHEME):
        pulled = _pulled(arguments, text)
        return Source(pulled.place, pulled.digest)
    if shipped.NAME.fullmatch(text) and not Path(text).exists():
        return Source(_shipped(text))
    if "://" not in text and not Path(text).exists():
        message = f"{text} does not exist"
        raise WitError(
            message, hint="add a folder or a file with WIT, a component, or an address: https://…#sha256:…"
        )
    if "://" not in text:
        return Source(os.path.relpath(text, arguments.wit))
    url, _, digest = text.partition("#")
    try:
        return Source(parse_url(url), parse_digest(digest))
    except ValueError as error:
        hint = (
            "write the digest behind the address: https://example.com/io.wasm#sha256:<64 hexadecimal digits>"
        )
        raise UsageError(str(error), hint=hint) from error


def _shipped(name: str) -> str:
    """Return the full name of a package that wisp has."""
    from wisp.wit import shipped  # noqa: PLC0415 - rarely needed

    if (found := shipped.find(name)) is not None:
        return found
    if (other := shipped.find(name.partition("@")[0])) is not None:
        message = f"wisp has no {name}, but {other}"
        raise UsageError(message, hint=f"add that, or {name} from a folder, a component, or an address")
    message = f"{name} is the name of a package, which says not where it lies"
    listed = ", ".join(sorted({each.partition("@")[0] for each in shipped.packages()}))
    hint = f"add a folder, a component, or an address: https://…#sha256:…; wisp itself has {listed}"
    raise UsageError(message, hint=hint)


def _say(events: Sequence[Event], *, as_json: bool) -> int:
    if as_json:
        data = [{"name": event.name, "verb": event.verb, "before": event.before} for event in events]
        print(json.dumps(data, indent=2))
        return 0
    rows = [(event.verb, _named(event)) for event in events]
    print("\n".join(output.columns(rows, indent=0)) or "nothing to do")
    return 0


def _named(event: Event) -> str:
    return event.name if event.before in {None, event.name} else f"{event.before} by {event.name}"
