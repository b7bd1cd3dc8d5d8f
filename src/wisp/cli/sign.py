"""`wisp sign`: signs an app, or a component, of an OCI registry, as cosign does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import add_registries
from wisp.cli.registries import accessible, options_of, reference_of

if TYPE_CHECKING:
    import argparse

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.references import Reference
    from wisp.registry.signing.keys import PrivateKey


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp sign`."""
    parser.add_argument("reference", metavar="REF", help="what, such as ghcr.io/acme/shop:1.2")
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="FILE",
        help="the private key, as `wisp key new` or cosign has made it; its password is asked for, or in COSIGN_PASSWORD",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Sign, and print what was signed."""
    from wisp.cli import passwords  # noqa: PLC0415 - the help does not need it
    from wisp.registry.signing.keys import read_private  # noqa: PLC0415 - slow to import

    reference = reference_of(arguments.reference)
    key = read_private(arguments.key, passwords.of(str(arguments.key)))
    progress = output.Progress()
    try:
        signed, signatures = asyncio.run(_sign(reference, options_of(arguments), key, progress))
    finally:
        progress.close()
    document = {
        "signed": str(reference),
        "digest": signed,
        "key": key.public.fingerprint,
        "signatures": signatures,
    }
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        rows = [("signed", str(reference)), ("digest", signed), ("key", key.public.fingerprint)]
        print("\n".join(output.columns(rows, indent=0)))
    return 0


async def _sign(
    reference: Reference, options: PrepareOptions, key: PrivateKey, progress: output.Progress
) -> tuple[str, list[str]]:
    from wisp.registry.oci import components  # noqa: PLC0415 - slow to import
    from wisp.registry.signing import signatures  # noqa: PLC0415 - the same

    async with accessible(options, progress.report, tick=progress.tick) as client:
        progress.report(f"signing {reference}")
        chain = await components.resolve(client, reference)
        # An index and what of it is meant: others look at the one, by digest somebody may ask for the other.
        return chain[-1].digest, [await signatures.sign(client, found, key) for found in chain]
