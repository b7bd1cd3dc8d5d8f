"""`wisp sbom`: prints the bill of materials of an app, or of what was pushed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.cli import output, registries
from wisp.cli.parser import add_registries
from wisp.cli.prepared import PrepareOptions
from wisp.errors import RegistryError
from wisp.registry.sbom import MEDIA_TYPE

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client, Found
    from wisp.registry.oci.documents import ImageManifest

_MOST: Final = 64
"""Things that refer to an artifact that are looked at."""

_CREATED: Final = "org.opencontainers.image.created"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp sbom`."""
    parser.add_argument(
        "what",
        nargs="?",
        default=".",
        metavar="APP|REF",
        help="a folder with an app, or with one component, a .wasm file, or a reference of an OCI registry such as"
        " ghcr.io/acme/shop:1.2 (default: this folder)",
    )
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write it to a file instead of standard output"
    )
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the bill of what was pushed, or make that of an app."""
    progress = output.Progress()
    try:
        bill = asyncio.run(_bill(arguments, progress))
    finally:
        progress.close()
    output.deliver(bill.decode(), arguments.output)
    return 0


async def _bill(arguments: argparse.Namespace, progress: output.Progress) -> bytes:
    from wisp.manifest import references  # noqa: PLC0415 - the help does not need it

    place: str = arguments.what
    options = PrepareOptions(
        profile=arguments.profile,
        insecure=tuple(arguments.insecure),
        authority=arguments.ca,
        policy=arguments.policy,
    )
    if not await asyncio.to_thread(Path(place).exists) and "/" in place and references.is_reference(place):
        async with registries.accessible(options, progress.report) as client:
            progress.report(f"looking for the bill of materials of {place}")
            return await _attached(client, registries.reference_of(place))
    return await _made(Path(place), options, progress)


async def _made(path: Path, options: PrepareOptions, progress: output.Progress) -> bytes:
    from wisp.cli import assemble, materials  # noqa: PLC0415 - slow to import
    from wisp.registry.cache import Cache  # noqa: PLC0415 - the same

    built = await assemble.build_app(path, options, progress.report)
    component = None if built.manifest.path.exists() else built.components[0].name
    return await materials.of_app(built, Cache.open(), lambda note: progress.say(f"note: {note}"), component)


async def _attached(client: Client, reference: Reference) -> bytes:
    """Return the newest bill that refers to an artifact."""
    from wisp.registry.oci import components  # noqa: PLC0415 - slow to import

    for found in reversed(await components.resolve(client, reference)):
        bills = [bill async for bill in _bills(client, found)]
        if bills:
            newest = max(bills, key=lambda bill: bill.annotations.get(_CREATED, ""))
            return await client.document(found.reference, newest.layers[0])
    message = f"{reference} has no bill of materials in CycloneDX"
    raise RegistryError(
        message, hint="`wisp push` adds one, unless it is told --no-sbom", reference=str(reference)
    )


async def _bills(client: Client, subject: Found) -> AsyncIterator[ImageManifest]:
    """Return the bills that refer to an artifact, and say so themselves; a list is only a hint."""
    from wisp.registry.oci import referrers  # noqa: PLC0415 - slow to import
    from wisp.registry.oci.documents import EMPTY, ImageManifest  # noqa: PLC0415 - the same

    listed = await referrers.listed(client, subject.reference)
    # Some registries know only the type of a config.
    fitting = [one for one in listed if one.artifact_type in {None, EMPTY, MEDIA_TYPE}]
    for descriptor in fitting[:_MOST]:
        bill = (await client.manifest(subject.reference.at(descriptor.digest))).manifest
        if (
            not isinstance(bill, ImageManifest)
            or bill.subject is None
            or bill.subject.digest != subject.digest
        ):
            continue
        if [layer.media_type for layer in bill.layers] == [MEDIA_TYPE]:
            yield bill
