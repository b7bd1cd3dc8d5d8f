"""The bill of materials of an app that was built: what its components and their lock files say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wisp import native
from wisp.build.packages import Package, Packages
from wisp.manifest import lock
from wisp.manifest.models import RemoteSource
from wisp.manifest.references import SCHEME, Reference
from wisp.registry import sbom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wisp.cli.assemble import BuiltApp
    from wisp.manifest.lock import Lock
    from wisp.manifest.models import Manifest
    from wisp.registry.cache import Cache


async def of_app(
    built: BuiltApp, cache: Cache, complain: Callable[[str], None], component: str | None = None
) -> bytes:
    """Return the bill of an app, or of one component of it; what cannot be read is told."""
    return await asyncio.to_thread(_of_app, built, cache, complain, component)


async def of_component(name: str, digest: str, cache: Cache) -> bytes:
    """Return the bill of a component of which nothing is known but itself."""
    content = await asyncio.to_thread(cache.read, digest)
    part = sbom.Part(name, digest, native.inspect(content).producers)
    return sbom.document(name, "", "", [part])


def _of_app(built: BuiltApp, cache: Cache, complain: Callable[[str], None], component: str | None) -> bytes:
    manifest = built.manifest
    app = manifest.app
    digests = {one.name: one.digest for one in built.components if component in {None, one.name}}
    pinned, packages = lock.read_lock(lock.lock_path(manifest)), Packages(manifest.folder, complain)
    parts = [
        sbom.Part(
            name,
            digest,
            native.inspect(cache.read(digest)).producers,
            sorted(set(_packages(manifest, name, pinned, packages))),
            _origin(manifest, name, pinned),
        )
        for name, digest in digests.items()
    ]
    return sbom.document(component or app.name, app.version, app.description, parts)


def _packages(manifest: Manifest, name: str, pinned: Lock, packages: Packages) -> Iterator[Package]:
    """Return what a component was built from; what wisp itself has resolved for it goes before files beside it."""
    declared, path = manifest.component[name], manifest.local_source(name)
    source = declared.source
    if not isinstance(source, str) or path is None or not (path.is_dir() or declared.build.command):
        return
    resolved = [_pinned(one) for one in pinned.pins(source)]
    yield from resolved
    known = {(package.kind, package.name) for package in resolved}
    yield from _others(packages.of(manifest.component_folder(name)), known)


def _others(packages: Iterable[Package], known: set[tuple[str, str]]) -> Iterator[Package]:
    for package in packages:
        if (package.kind, package.name) not in known:
            yield package


def _pinned(entry: lock.Dependency) -> Package:
    hashes = [one for one in entry.hashes if one.startswith("sha256:")]
    digest = f"SHA-256:{hashes[0].removeprefix('sha256:')}" if len(hashes) == 1 else ""
    return Package("pypi", entry.name, entry.version, digest)


def _origin(manifest: Manifest, name: str, pinned: Lock) -> str | None:
    source = manifest.component[name].source
    if isinstance(source, RemoteSource):
        return source.url
    if isinstance(source, Reference):
        resolved = pinned.resolution(source)
        return f"{SCHEME}{source.at(resolved.manifest) if resolved else source}"
    return None
