"""Making an app: its components built, fetched or kept, compiled, locked.

This is the long way to a `PreparedApp`, and it loads much: the manifest's models, builders, the core.
`wisp.cli.prepare` takes it when the short way, remembering what came out the last time, does not lead there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wisp.cli import output
from wisp.cli.prepared import PreparedApp, PreparedComponent, PreparedLink
from wisp.cli.sources import Obtained, Source, obtain
from wisp.errors import ComponentError, ManifestError
from wisp.manifest import copies, load, lock
from wisp.manifest.links import LinkOptions
from wisp.manifest.locked import lock_app
from wisp.registry.artifacts import COMPILERS, Artifact, artifact, forget
from wisp.registry.cache import Cache
from wisp.registry.compositions import Linked, firsts, link

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

    from wisp.cli.prepared import PrepareOptions, Report, Strategy
    from wisp.manifest.models import Component, Manifest

Outcome = TypeVar("Outcome")

_HANDLER = "wisp:cron/handler@0.1."
_BUILDS = 2
"""Builds at once. Compilers of most languages use all processors by themselves, and much memory."""


@dataclass(frozen=True, slots=True)
class BuiltApp:
    """One app whose components, or those that were asked for, are in the cache."""

    manifest: Manifest
    components: tuple[PreparedComponent, ...]
    linked: Linked
    paths: Mapping[str, Path]
    """By component: where it lies in the cache."""

    watch: tuple[Path, ...]

    @property
    def links(self) -> tuple[PreparedLink, ...]:
        """The links, as they were settled; none if only some components were built."""
        if self.linked.plan is None:
            return ()
        return tuple(
            PreparedLink(name, made.interface, made.provider, made.mode, made.reason)
            for name, links in self.linked.plan.links.items()
            for made in links
        )


async def build_app(path: Path, options: PrepareOptions, report: Report) -> BuiltApp:
    """Build one app, or some of its components, into the cache, and bring its lock file up to date.

    Raises:
        WispError: the manifest is wrong, or a component does not build.

    """
    return await _build(find(path, options), Cache.open(), options, report)


async def recompile(digest: str, strategy: Strategy) -> Mapping[str, object]:
    """Compile a component anew whose artifact a worker refused, and return what workers are told of it.

    Raises:
        WispError: it is not in the cache any more, or the compiler refuses it.

    """
    cache = Cache.open()
    forget(cache, digest, strategy)
    return (await artifact(cache, digest, strategy)).document()


def find(path: Path, options: PrepareOptions) -> Manifest:
    """Return the manifest at a path, or the one that a folder or a `.wasm` file without one stands for.

    Raises:
        ManifestError: it is wrong, or there is nothing that could be served.

    """
    if path.suffix == ".wasm" and path.is_file():
        manifest = load.of_component(path)
    elif found := load.load(path, profile=options.profile, spin_options=_spin(options)):
        return found
    else:
        manifest = load.of_component(_only_component(path))
    if options.profile is not None:
        message = f"there is no profile {options.profile}: {output.short(path)} has no wisp.toml"
        raise ManifestError(message, path=path)
    return manifest


def _spin(options: PrepareOptions) -> load.SpinOptions:
    return load.SpinOptions(dict(options.variables), options.runtime_config)


def _only_component(folder: Path) -> Path:
    """Return what the one component of a folder without a manifest is made of: its sources, or a `.wasm` file."""
    from wisp.build import detect  # noqa: PLC0415 - a folder with a manifest does not need it

    if detect(folder.resolve()) is not None:
        return folder
    wasm = sorted(folder.glob("*.wasm"))
    if len(wasm) == 1:
        return wasm[0]
    where = output.short(folder.absolute())
    if wasm:
        names = ", ".join(file.name for file in wasm)
        message = f"{where} has no wisp.toml and several components: {names}"
        raise ManifestError(
            message,
            path=folder,
            hint="name the one to serve, or write a wisp.toml that says which routes go where",
        )
    message = f"{where} has no wisp.toml, and no component or sources that wisp knows"
    raise ManifestError(message, path=folder, hint="`wisp new` makes an app with a manifest")


async def assemble(path: Path, options: PrepareOptions, report: Report) -> PreparedApp:
    """Make the app at a path: a folder, a manifest or a `.wasm` file.

    Raises:
        WispError: the manifest is wrong, a component does not build, or is not one that serves HTTP.

    """
    manifest, cache = find(path, options), Cache.open()
    built = await _build(manifest, cache, options, report)
    linked = built.linked
    compiled = await _compile(linked, cache, options, report)
    for name in _serving(manifest, linked):
        _require_http(name, compiled[name], alone=len(manifest.component) == 1)
    for cron in manifest.cron:
        _require_cron(cron.component, compiled[cron.component])
    await asyncio.to_thread(copies.stage, manifest)
    by_digest = {found.digest: found for found in compiled.values()}
    return PreparedApp(
        name=manifest.app.name,
        folder=manifest.folder,
        locked=lock_app(manifest, linked.digests, linked.bridges).to_data(),
        components=built.components,
        links=built.links,
        artifacts={digest: found.document() for digest, found in by_digest.items()},
        remarks=manifest.remarks,
        watch=built.watch,
    )


async def _build(manifest: Manifest, cache: Cache, options: PrepareOptions, report: Report) -> BuiltApp:
    sources = await _sources(manifest, options)
    slots = asyncio.Semaphore(_BUILDS)

    async def one(source: Source) -> Obtained:
        async with slots:
            return await obtain(source, cache, options, report)

    made = await _all({name: one(source) for name, source in sources.items()})
    _lock(manifest, options, made, sources)
    components = tuple(_component(name, one, cache) for name, one in made.items())
    watched = dict.fromkeys(
        [
            manifest.path,
            *([options.runtime_config.path] if options.runtime_config else []),
            *(path for component in manifest.component.values() for path in _copied(manifest, component)),
            *(path for name, one in made.items() for path in (*sources[name].watched(), *one.inputs)),
        ]
    )
    digests = {component.name: component.digest for component in components}
    linked = Linked(None, digests)
    if not options.components:
        settings = LinkOptions(open_imports=options.open_imports, entry=options.entry)
        linked = await link(manifest, digests, cache, report, settings)
    return BuiltApp(
        manifest=manifest,
        components=components,
        linked=linked,
        paths={component.name: cache.component(component.digest) for component in components},
        watch=tuple(watched),
    )


def _copied(manifest: Manifest, component: Component) -> Iterator[Path]:
    for grant in component.grants.files:
        yield from copies.watched(manifest.folder, grant)


async def _sources(manifest: Manifest, options: PrepareOptions) -> dict[str, Source]:
    pinned = lock.read_lock(lock.lock_path(manifest))
    return {
        name: Source.of(manifest, name, lock=pinned, options=options)
        for name in _chosen(manifest, options.components)
    }


def _chosen(manifest: Manifest, wanted: tuple[str, ...]) -> tuple[str, ...]:
    for name in wanted:
        if name not in manifest.component:
            message = f"{output.short(manifest.path)} has no component {name}"
            raise ManifestError(message, hint=f"it has {', '.join(manifest.component)}", path=manifest.path)
    return tuple(name for name in manifest.component if not wanted or name in wanted)


def _lock(
    manifest: Manifest, options: PrepareOptions, made: Mapping[str, Obtained], sources: Mapping[str, Source]
) -> None:
    """Bring the lock file up to date. It holds the pins of all profiles, so the manifest without one decides."""
    path = lock.lock_path(manifest)
    whole = manifest
    if options.profile is not None:
        whole = load.load(manifest.path, spin_options=_spin(options)) or manifest
    pins = {
        str(manifest.component[name].source): one.pins for name, one in made.items() if sources[name].is_built
    }
    resolved = [one.resolved for one in made.values() if one.resolved is not None]
    lock.write_lock(path, lock.update(lock.read_lock(path), whole, pins, resolved), locked=options.locked)


def _component(name: str, one: Obtained, cache: Cache) -> PreparedComponent:
    return PreparedComponent(
        name=name,
        digest=one.digest,
        size=cache.component(one.digest).stat().st_size,
        language=one.language,
        cached=one.cached,
        seconds=one.seconds,
    )


async def _compile(
    linked: Linked, cache: Cache, options: PrepareOptions, report: Report
) -> dict[str, Artifact]:
    """Compile what the host runs, each binary once, and return the artifact of each component."""
    slots = asyncio.Semaphore(COMPILERS)

    async def one(name: str, digest: str) -> Artifact:
        async with slots:
            return await _compiled(name, digest, cache, options, report)

    made = await _all({digest: one(name, digest) for digest, name in firsts(linked.digests).items()})
    return {name: made[digest] for name, digest in linked.digests.items()}


async def _compiled(
    name: str, digest: str, cache: Cache, options: PrepareOptions, report: Report
) -> Artifact:
    """Compile what the host runs as a component; the name is what the user knows it by."""

    def named(_: str) -> None:
        report(f"{name}: compiling with {options.strategy.capitalize()}")

    try:
        return await artifact(cache, digest, options.strategy, report=named)
    except ComponentError as error:
        message = f"component {name}: {error.message}"
        raise ComponentError(message, hint=error.hint, component=name) from error


def _serving(manifest: Manifest, linked: Linked) -> list[str]:
    """Return the components that must serve HTTP: all but those without a route that others are linked to, or that run by the clock."""
    routed = {trigger.component for trigger in manifest.http}
    carried = [made for bridges in linked.bridges.values() for made in bridges.values()]
    libraries = {made.component for made in carried if made.app is None}
    libraries |= {name for name, component in manifest.component.items() if component.offer}
    libraries |= {cron.component for cron in manifest.cron}
    return [name for name in linked.digests if name in routed or name not in libraries]


def _require_http(name: str, found: Artifact, *, alone: bool) -> None:
    if found.info.http is not None:
        return
    message = f"component {name} cannot serve HTTP: it exports {', '.join(found.info.exports) or 'nothing'}"
    hint = "it is a program: `wisp run` runs it"
    if any(export.startswith(_HANDLER) for export in found.info.exports):
        hint = "it runs by the clock: say when, with [[cron]] in wisp.toml"
    elif not found.info.command:
        hint = "it must export wasi:http/incoming-handler or wasi:http/handler"
        hint += "" if alone else ", or another component must be linked to it"
    raise ComponentError(message, hint=hint, component=name)


def _require_cron(name: str, found: Artifact) -> None:
    if any(export.startswith(_HANDLER) for export in found.info.exports):
        return
    message = (
        f"component {name} cannot run by the clock: it exports {', '.join(found.info.exports) or 'nothing'}"
    )
    hint = f"what [[cron]] names must export {_HANDLER}0"
    raise ComponentError(message, hint=hint, component=name)


async def _all(work: Mapping[str, Coroutine[None, None, Outcome]]) -> dict[str, Outcome]:
    """Do all of it, even when one fails, and then raise the first failure: half a build is remembered, not lost."""
    outcomes = await asyncio.gather(*work.values(), return_exceptions=True)
    done: dict[str, Outcome] = {}
    for name, outcome in zip(work, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done[name] = outcome
    return done
