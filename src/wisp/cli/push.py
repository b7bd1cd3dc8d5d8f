"""`wisp push`: builds an app, or takes a component, and puts it into an OCI registry."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import materials, output
from wisp.cli.assemble import build_app
from wisp.cli.parser import UsageError, add_registries
from wisp.cli.prepared import PrepareOptions
from wisp.cli.registries import accessible, reference_of
from wisp.errors import ManifestError
from wisp.manifest import spin
from wisp.registry import sbom
from wisp.registry.cache import Cache
from wisp.registry.oci import apps, components, packing, referrers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from wisp.cli.assemble import BuiltApp
    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client
    from wisp.registry.oci.components import Pushed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp push`."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="APP",
        help="a folder with a wisp.toml, or with one component, or a .wasm file",
    )
    parser.add_argument("reference", metavar="REF", help="where to, such as ghcr.io/acme/shop:1.2")
    parser.add_argument(
        "--component", metavar="NAME", help="push this one component of the app, for other tools to read too"
    )
    parser.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    parser.add_argument("--locked", action="store_true", help="fail rather than change wisp.lock")
    parser.add_argument(
        "--no-sbom", action="store_true", help="push no bill of materials (CycloneDX) that refers to it"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_registries(parser)


def run(arguments: argparse.Namespace) -> int:
    """Push, and print what it is called now."""
    reference = reference_of(arguments.reference)
    if reference.pinned:
        raise UsageError(
            "a digest is the outcome of pushing; name a tag",
            hint=f"wisp push {arguments.path} {reference.name}:1.0",
        )
    options = PrepareOptions(
        profile=arguments.profile,
        locked=arguments.locked,
        insecure=tuple(arguments.insecure),
        authority=arguments.ca,
        policy=arguments.policy,
    )
    progress = output.Progress()
    try:
        outcome = asyncio.run(_push(arguments, reference, options, progress))
    finally:
        progress.close()
    pushed = outcome.pushed
    if arguments.json:
        print(json.dumps(_document(reference, outcome), indent=2))
    else:
        sent = f"{output.size(pushed.sent)} of {output.size(pushed.size)}"
        rows = [("pushed", str(reference)), ("digest", pushed.reference.digest or ""), ("sent", sent)]
        rows += [("sbom", outcome.sbom)] if outcome.sbom else []
        print("\n".join(output.columns(rows, indent=0)))
    return 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of pushing."""

    kind: str
    pushed: Pushed
    sbom: str | None
    """The digest of the bill of materials, as something that refers to what was pushed."""


async def _push(
    arguments: argparse.Namespace, reference: Reference, options: PrepareOptions, progress: output.Progress
) -> _Outcome:
    cache = Cache.open()
    what, bill = await _made(arguments, options, cache, progress)
    async with accessible(options, progress.report, tick=progress.tick) as client:
        progress.report(f"pushing {reference}")
        kind, pushed = await what.push(client, reference, cache)
        digest = None if bill is None else await _attached(client, pushed.reference, bill)
    return _Outcome(kind, pushed, digest)


async def _made(
    arguments: argparse.Namespace, options: PrepareOptions, cache: Cache, progress: output.Progress
) -> tuple[_Thing | _App, bytes | None]:
    """Return what is to be pushed, and its bill of materials."""
    path: Path = arguments.path
    component: str | None = arguments.component
    if (file := _file(path, component, cache)) is not None:
        bill = None if arguments.no_sbom else await materials.of_component(path.stem, file.digest, cache)
        return file, bill
    built = await build_app(path, options, progress.report)
    if component is None and not built.manifest.path.exists():
        component = built.components[0].name  # a folder without a manifest is one component
    what = _thing(built, component)
    if arguments.no_sbom:
        return what, None
    return what, await materials.of_app(built, cache, lambda note: progress.say(f"note: {note}"), component)


async def _attached(client: Client, reference: Reference, bill: bytes) -> str:
    annotations = {"org.opencontainers.image.created": components.created()}
    subject = await client.manifest(reference)
    return await referrers.attach(client, subject, bill, sbom.MEDIA_TYPE, annotations)


@dataclass(frozen=True, slots=True)
class _Thing:
    """A component that is to be pushed."""

    digest: str
    annotations: Mapping[str, str]

    async def push(self, client: Client, reference: Reference, cache: Cache) -> tuple[str, Pushed]:
        info = native.inspect(cache.read(self.digest))
        return "component", await components.push(
            client, reference, self.digest, info, cache, self.annotations
        )


@dataclass(frozen=True, slots=True)
class _App:
    """An app that is to be pushed."""

    packed: packing.Packed
    digests: Mapping[str, str]

    async def push(self, client: Client, reference: Reference, cache: Cache) -> tuple[str, Pushed]:
        return "app", await apps.push(client, reference, self.packed, self.digests, cache)


def _file(path: Path, component: str | None, cache: Cache) -> _Thing | None:
    """Return the component of a `.wasm` file; None for what has to be built."""
    if path.suffix != ".wasm" or not path.is_file():
        return None
    if component is not None:
        raise UsageError("--component is for an app with several; a .wasm file is one")
    return _Thing(cache.add_file(path), {})


def _thing(built: BuiltApp, component: str | None) -> _Thing | _App:
    manifest = built.manifest
    digests = {one.name: one.digest for one in built.components}
    if component is not None and component not in digests:
        message = f"{output.short(manifest.path)} has no component {component}"
        raise ManifestError(message, hint=f"it has {', '.join(digests)}", path=manifest.path)
    if component is not None:
        return _Thing(digests[component], _annotations(built, component))
    if manifest.path.name == spin.FILE_NAME:
        message = f"{output.short(manifest.path)} is a manifest of Spin, whose variables have values of this machine"
        raise ManifestError(
            message, hint="`wisp convert` writes the wisp.toml that it means; push that", path=manifest.path
        )
    return _App(packing.pack(manifest), digests)


def _annotations(built: BuiltApp, component: str) -> dict[str, str]:
    app = built.manifest.app
    described = built.manifest.component[component].description or app.description
    annotations = {
        "org.opencontainers.image.version": app.version,
        "org.opencontainers.image.description": described,
    }
    return {key: value for key, value in annotations.items() if value and value != "0.0.0"}


def _document(reference: Reference, outcome: _Outcome) -> dict[str, object]:
    pushed = outcome.pushed
    return {
        "kind": outcome.kind,
        "reference": str(reference),
        "digest": pushed.reference.digest,
        "size": pushed.size,
        "sent": pushed.sent,
        "sbom": outcome.sbom,
    }
