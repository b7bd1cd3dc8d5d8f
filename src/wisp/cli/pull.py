"""`wisp pull`: gets an app or a component from an OCI registry, to look at it, change it or serve it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import add_registries
from wisp.cli.registries import accessible, gate, options_of, reference_of
from wisp.errors import WispError
from wisp.registry.cache import Cache
from wisp.registry.oci import apps, components

if TYPE_CHECKING:
    import argparse

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client, Found


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of pulling."""

    kind: str
    reference: str
    digest: str
    path: str
    components: tuple[str, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp pull`."""
    parser.add_argument("reference", metavar="REF", help="what, such as ghcr.io/acme/shop:1.2")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="where to: of an app a new folder, of a component a file or a folder that is there"
        " (default: here, named like the repository)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Pull, and print where it is."""
    reference = reference_of(arguments.reference)
    options = options_of(arguments)
    progress = output.Progress()
    try:
        pulled = asyncio.run(_pull(reference, options, arguments.output, progress))
    finally:
        progress.close()
    if arguments.json:
        print(json.dumps(asdict(pulled), indent=2))
    else:
        rows = [("pulled", pulled.reference), ("digest", pulled.digest), (pulled.kind, pulled.path)]
        print("\n".join(output.columns(rows, indent=0)))
    return 0


async def _pull(
    reference: Reference, options: PrepareOptions, target: Path | None, progress: output.Progress
) -> Pulled:
    async with accessible(options, progress.report, tick=progress.tick) as client:
        progress.report(f"pulling {reference}")
        found = await components.image(client, reference, gate(options))
        if apps.is_app(found):
            folder = Path(os.getcwd(), target or reference.repository.rpartition("/")[2])  # noqa: PTH109 - touches no disk
            names = await app_into(client, found, folder)
            return Pulled("app", str(reference), found.digest, output.short(folder), names)
        file = await component_into(client, found, target or Path())
    return Pulled("component", str(reference), found.digest, output.short(file.absolute()), (file.stem,))


async def app_into(client: Client, found: Found, folder: Path) -> tuple[str, ...]:
    """Write an app into a new folder, by its absolute path, and return the names of its components.

    Raises:
        WispError: the folder is there, or the app cannot be had.

    """
    if await asyncio.to_thread(folder.exists):
        message = f"{output.short(folder)} is there already"
        raise WispError(message, hint="name another folder with -o, or move that one away")
    manifest = await apps.pull(client, found, folder, Cache.open())
    return tuple(manifest.component)


async def component_into(client: Client, found: Found, target: Path) -> Path:
    """Write a component to a file, or into a folder, and return the file.

    Raises:
        WispError: it cannot be had, or the file cannot be written.

    """
    cache = Cache.open()
    digest = await components.pull(client, components.component_of(found), cache)
    name = found.reference.repository.rpartition("/")[2]
    file = target / f"{name}.wasm" if await asyncio.to_thread(target.is_dir) else target
    await asyncio.to_thread(lambda: output.write(file, cache.read(digest)))
    return file
