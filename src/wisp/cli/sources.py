"""Where a component comes from, and getting it into the cache from there: built, fetched, or as it lies."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.build import BuildResult, Pin, Project, build_component, process
from wisp.errors import ComponentError, RegistryError
from wisp.manifest.lock import Resolved
from wisp.manifest.models import RemoteSource
from wisp.manifest.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.lock import Dependency, Lock
    from wisp.manifest.models import Component, Manifest
    from wisp.registry.cache import Cache
    from wisp.registry.signing.gate import Gate

_COMPONENT = b"\0asm\r\0\1\0"
_MODULE = b"\0asm\1\0\0\0"
_HINT = "build it for wasm32-wasip2"
_WILD = frozenset("*?[{")

_INTERRUPT_SECONDS = 0.1
"""How soon a tool is ended that a builder starts after it was interrupted."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A component in the cache, and how it got there."""

    digest: str
    language: str | None = None
    cached: bool = True
    seconds: float = 0.0
    pins: tuple[Pin, ...] = ()
    inputs: tuple[Path, ...] = ()
    resolved: Resolved | None = None
    """What a reference was understood as."""


@dataclass(frozen=True, slots=True)
class Source:
    """One component of a manifest, and what its lock file pins."""

    name: str
    component: Component
    path: Path | None
    """The folder or the `.wasm` file; None when it is fetched."""

    base: Path
    """What the paths of `[component.NAME.build]` start from."""

    pins: tuple[Pin, ...]
    release: bool
    resolved: Resolved | None = None
    """What the lock file says about its reference."""

    @classmethod
    def of(cls, manifest: Manifest, name: str, *, lock: Lock, options: PrepareOptions) -> Source:
        """Return where a component of a manifest comes from."""
        component = manifest.component[name]
        key = component.source
        return cls(
            name=name,
            component=component,
            path=manifest.local_source(name),
            base=manifest.component_folder(name),
            pins=tuple(_pin(entry) for entry in lock.pins(key)) if isinstance(key, str) else (),
            release=options.release,
            resolved=lock.resolution(key) if isinstance(key, Reference) and not options.update else None,
        )

    @property
    def is_built(self) -> bool:
        """Whether something has to be run to have it."""
        return self.path is not None and (self.component.build.command is not None or self.path.is_dir())

    def project(self) -> Project:
        """Return what a builder is told."""
        build, source = self.component.build, self.component.source
        makes_source = isinstance(source, str) and source.endswith(".wasm")
        return Project(
            component=self.name,
            folder=self.base.resolve(),
            command=build.command,
            product=str(source) if build.output is None and makes_source else build.output,
            watch=build.watch,
            workdir=build.workdir,
            release=self.release,
            pins=self.pins,
        )

    def watched(self) -> tuple[Path, ...]:
        """Return the files and folders whose change may change the component."""
        if self.path is None:
            return ()
        if globs := self.component.build.watch:
            return tuple(dict.fromkeys(self.base / _fixed(glob) for glob in globs))
        return (self.path,) if not self.component.build.command else (self.base,)


async def obtain(
    source: Source, cache: Cache, options: PrepareOptions, report: Callable[[str], None]
) -> Obtained:
    """Get a component into the cache.

    Raises:
        BuildError, ComponentError, ArtifactError, RegistryError: it does not build, is none, or cannot be had.

    """
    if isinstance(source.component.source, Reference):
        obtained = await _pulled(source.component.source, source.resolved, cache, options, report)
    elif isinstance(source.component.source, RemoteSource):
        obtained = await _fetched(source.component.source, cache, report)
    elif not source.is_built and source.path is not None:
        obtained = Obtained(await asyncio.to_thread(_kept, source.path, source.name, cache))
    else:
        built = await _built(source.project(), cache, report)
        obtained = Obtained(
            built.digest, built.language, built.cached, built.seconds, built.pins, built.inputs
        )
    digest = await asyncio.to_thread(_as_component, obtained.digest, source, cache)
    return replace(obtained, digest=digest)


async def _built(project: Project, cache: Cache, report: Callable[[str], None]) -> BuildResult:
    """Build in a thread. When nobody waits any more, its tools are ended, for nothing else ends a thread."""
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(None, build_component, project, cache, report)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            process.interrupt()
            await asyncio.wait([work], timeout=_INTERRUPT_SECONDS)
        work.exception()
        raise


async def _fetched(remote: RemoteSource, cache: Cache, report: Callable[[str], None]) -> Obtained:
    if cache.has(remote.digest):
        return Obtained(remote.digest)
    from wisp.registry.fetch import fetch  # noqa: PLC0415 - rarely needed

    began = time.monotonic()
    await fetch(cache, remote.url, remote.digest, report=report)
    return Obtained(remote.digest, cached=False, seconds=time.monotonic() - began)


async def _pulled(
    reference: Reference,
    known: Resolved | None,
    cache: Cache,
    options: PrepareOptions,
    report: Callable[[str], None],
) -> Obtained:
    """Have what a reference means: what the lock file says, or else what the registry says now."""
    from wisp.cli.registries import accessible, gate  # noqa: PLC0415 - slow to import, and rarely needed
    from wisp.registry.oci import components  # noqa: PLC0415

    admitting = gate(options)
    if known is not None and cache.has(known.component) and _is_admitted(admitting, reference, known):
        return Obtained(known.component, resolved=known)
    began = time.monotonic()
    async with accessible(options, report) as client:
        report(f"looking for {reference}")
        wanted = reference if known is None else reference.at(known.manifest)
        found = await components.find(client, wanted, admitting)
        if known is not None and found.layer.digest != known.component:
            message = f"{reference} is not what wisp.lock says: its component is {found.layer.digest}"
            raise RegistryError(message, reference=str(reference))
        fresh = not cache.has(found.layer.digest)
        digest = await components.pull(client, found, cache)
    resolved = Resolved(reference=str(reference), manifest=found.reference.digest or "", component=digest)
    seconds = time.monotonic() - began
    return Obtained(digest, cached=not fresh, seconds=seconds if fresh else 0.0, resolved=resolved)


def _is_admitted(gate: Gate, reference: Reference, known: Resolved) -> bool:
    """Whether a component that is here need not be asked for again: its signatures are here, too, and are of it."""
    pinned = reference.at(known.manifest)
    if not gate.asks(pinned):
        return True
    evidence = gate.known(pinned)
    return evidence is not None and evidence.component == known.component


def _kept(file: Path, name: str, cache: Cache) -> str:
    """Keep a `.wasm` file, and return its digest."""
    try:
        content = file.read_bytes()
    except OSError as error:
        message = f"component {name}: cannot read {file}: {error.strerror}"
        raise ComponentError(message, component=name, path=file) from error
    if not content.startswith((_COMPONENT, _MODULE)):
        message = f"component {name}: {file} is not a WebAssembly file, and a component is needed"
        raise ComponentError(message, component=name, path=file)
    return cache.add(content)


def _as_component(digest: str, source: Source, cache: Cache) -> str:
    """Make a component of a core module that says what it would be one of."""
    path = cache.component(digest)
    with path.open("rb") as stream:
        if stream.read(len(_MODULE)) != _MODULE:
            return digest
    try:
        made = native.described(path.read_bytes())
    except ComponentError as error:
        message = f"component {source.name}: its core module does not become a component: {error.message}"
        raise ComponentError(message, hint=error.hint, component=source.name, path=source.path) from error
    if made is None:
        where = source.path or source.component.source
        message = f"component {source.name}: {where} is a core WebAssembly module, and a component is needed"
        raise ComponentError(message, hint=_HINT, component=source.name, path=source.path)
    return cache.add(made)


def _pin(entry: Dependency) -> Pin:
    return Pin(entry.name, entry.version, entry.hashes)


def _fixed(glob: str) -> Path:
    """Return the part of a glob before its first wildcard: `src` of `src/**/*.rs`."""
    parts = []
    for part in Path(glob).parts:
        if _WILD & set(part):
            break
        parts.append(part)
    return Path(*parts)
