"""`wisp verify`: says who has signed an app, or a component, of an OCI registry."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import UsageError, add_registries
from wisp.cli.registries import accessible, options_of, reference_of
from wisp.errors import SignatureError

if TYPE_CHECKING:
    import argparse

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.references import Reference
    from wisp.registry.signing.evidence import Evidence
    from wisp.registry.signing.keys import PublicKey


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp verify`."""
    parser.add_argument("reference", metavar="REF", help="what, such as ghcr.io/acme/shop:1.2")
    parser.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a public key that may have signed it; may be repeated (default: those that the policy trusts for its name)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, and print whose key it was; otherwise the error says why not."""
    reference = reference_of(arguments.reference)
    keys = _keys(arguments, reference)
    progress = output.Progress()
    try:
        evidence = asyncio.run(_gather(reference, options_of(arguments), progress))
    finally:
        progress.close()
    try:
        signer = evidence.signer(keys)
    except SignatureError as error:
        message = f"{reference} ({evidence.digest}) is not verified: {error.message}"
        names = " or ".join(key.name for key in keys)
        raise SignatureError(message, hint=f"wanted is {names}", reference=str(reference)) from error
    if arguments.json:
        document = {
            "verified": str(reference),
            "digest": evidence.digest,
            "key": {"name": signer.name, "fingerprint": signer.fingerprint},
            "signatures": len(evidence.signatures),
        }
        print(json.dumps(document, indent=2))
    else:
        rows = [("verified", str(reference)), ("digest", evidence.digest)]
        rows.append(("signed with", f"{signer.name} ({signer.fingerprint})"))
        print("\n".join(output.columns(rows, indent=0)))
    return 0


def _keys(arguments: argparse.Namespace, reference: Reference) -> tuple[PublicKey, ...]:
    from wisp.registry.signing import keys, places, policy  # noqa: PLC0415 - slow to import

    if arguments.key:
        return tuple(keys.read_public(path) for path in arguments.key)
    path = places.find(arguments.policy)
    if path is None:
        raise UsageError(
            "whose signature is wanted?", hint="name the public key with --key, or write a policy"
        )
    rules = policy.load(path)
    trust = rules.trust(reference.name)
    if trust is None:
        message = f"{reference} is not verified: no entry of the policy {output.short(path)} is about it"
        raise SignatureError(message, reference=str(reference))
    if trust.unsigned:
        message = f"the policy {output.short(path)} wants no signature of {reference.name}"
        raise SignatureError(message, hint="name the public key with --key", reference=str(reference))
    return rules.keys(trust)


async def _gather(reference: Reference, options: PrepareOptions, progress: output.Progress) -> Evidence:
    from wisp.registry.oci import components  # noqa: PLC0415 - slow to import
    from wisp.registry.signing import signatures  # noqa: PLC0415 - the same

    async with accessible(options, progress.report, tick=progress.tick) as client:
        progress.report(f"looking for signatures of {reference}")
        return await signatures.gather(client, *await components.resolve(client, reference))
