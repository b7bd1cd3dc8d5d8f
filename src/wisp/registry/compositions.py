"""Linked components in the cache: checked, and those that are fused made into one.

A composition is known by the digests of its parts and by who answers whom, and kept like a built component. So it is made again
only when a part or a link changes, and compiled again only when its bytes do. Components of componentize-py are merged
when they are built, before they are composed: then a change of one part does not merge the others again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from wisp import native
from wisp.errors import ComponentError
from wisp.manifest import links
from wisp.manifest.problems import Problem
from wisp.wit.agreement import disagreement
from wisp.wit.crossing import stuck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wisp.manifest.links import Group, Link, LinkOptions, Plan
    from wisp.manifest.models import Manifest
    from wisp.registry.cache import Cache

Report: TypeAlias = Callable[[str], None]
"""Told one short sentence of progress, from any thread."""

_SCHEMA = 1
"""Part of every key: raise it when components must be composed again."""


@dataclass(frozen=True, slots=True)
class Linked:
    """An app whose links are settled."""

    plan: Plan | None
    """None if nobody looked, because only some components were built."""

    digests: Mapping[str, str]
    """By component that the host runs: what it runs, which may be a composition."""

    @property
    def bridges(self) -> Mapping[str, Mapping[str, Link]]:
        """By component that the host runs, by interface: the links that the host carries."""
        return {} if self.plan is None else {name: group.carried for name, group in self.plan.groups.items()}


async def link(
    manifest: Manifest,
    digests: Mapping[str, str],
    cache: Cache,
    report: Report,
    options: LinkOptions | None = None,
) -> Linked:
    """Check the links of an app and compose what is fused.

    Args:
        manifest: With its profile applied.
        digests: By component, of every component that the manifest declares.
        cache: Where they are, and where compositions are kept.
        report: Told what is composed.
        options: What is wanted other than for serving.

    Raises:
        ManifestError: a link is wrong; with its place in the manifest.
        ComponentError: components cannot be composed for another reason.

    """
    return await asyncio.to_thread(_link, manifest, digests, cache, report, options)


def _link(
    manifest: Manifest,
    digests: Mapping[str, str],
    cache: Cache,
    report: Report,
    options: LinkOptions | None,
) -> Linked:
    known = {digest: _interfaces(name, cache.read(digest)) for digest, name in firsts(digests).items()}
    found = {name: known[digest] for name, digest in digests.items()}
    plan = links.resolve(manifest, found, options)
    run = {}
    for entry, group in plan.groups.items():
        run[entry] = _composed(manifest, group, digests, cache, report)
    carried = [(name, link) for name, made in plan.links.items() for link in made]
    calls = [
        (name, link) for name, link in carried if link.mode != "fused" and link.app is None and link.is_call
    ]
    _require_crossing(manifest, carried, digests, cache)
    _require_agreement(manifest, calls, digests, cache)
    return Linked(plan, run)


def firsts(digests: Mapping[str, str]) -> dict[str, str]:
    """Return by digest the first component that has it: what is done for each binary is done once, and told by that name."""
    names: dict[str, str] = {}
    for name, digest in digests.items():
        names.setdefault(digest, name)
    return names


def _interfaces(name: str, wasm: bytes) -> native.Interfaces:
    try:
        return native.interfaces(name, wasm)
    except ComponentError:
        try:
            native.inspect(wasm)
        except ComponentError as error:
            # It is broken, whatever it may be linked to.
            message = f"component {name}: {error.message}"
            raise ComponentError(message, hint=error.hint, component=name) from error
        raise


def _composed(
    manifest: Manifest, group: Group, digests: Mapping[str, str], cache: Cache, report: Report
) -> str:
    """Return the digest of a group made into one component."""
    if len(group.parts) == 1:
        return digests[group.entry]
    trusted = _trusted(manifest, group)
    key = _key("composition", [group.entry, sorted(trusted), _facts(group, digests)])
    if known := cache.built(key):
        return known
    report(f"{group.entry}: composing with {', '.join(name for name in group.parts if name != group.entry)}")
    try:
        parts = {
            name: _part(group, name, cache.read(digests[name]), trusted=name in trusted)
            for name in group.parts
        }
        composed = native.compose(group.entry, parts)
    except ComponentError:
        answers = [(component, link) for component, made in group.parts.items() for link in made]
        made = [(component, link) for component, link in answers if link.is_call]
        _require_agreement(manifest, made, digests, cache)
        raise
    digest = cache.add(composed)
    cache.remember_build(key, digest)
    return digest


def _trusted(manifest: Manifest, group: Group) -> frozenset[str]:
    """Return the parts that were granted something, which is then the same as the entry was granted."""
    granted = links.grants(manifest.component[group.entry])
    return frozenset(
        name for name in group.parts if granted and links.grants(manifest.component[name]) == granted
    )


def _part(group: Group, name: str, wasm: bytes, *, trusted: bool) -> native.Part:
    made = group.parts[name]
    return native.Part(
        wasm=wasm,
        links={link.interface: link.component for link in made if link.mode == "fused"},
        open=frozenset(link.interface for link in made if link.mode != "fused" and link.is_call),
        trusted=trusted,
    )


def _require_crossing(
    manifest: Manifest, made: Iterable[tuple[str, Link]], digests: Mapping[str, str], cache: Cache
) -> None:
    """Refuse to call on another host, or to offer to one, what cannot leave a host."""
    asked: list[tuple[str, Literal["link", "offer"], str, str]] = [
        (name, "link", link.follows or link.interface, link.interface)
        for name, link in made
        if link.mode == "remote"
    ]
    asked += [
        (name, "offer", interface, interface)
        for name, component in manifest.component.items()
        for interface in component.offer
    ]
    wrong = []
    for name, table, key, interface in asked:
        if reason := stuck(cache.read(digests[name]), interface):
            message = f"it cannot be called on another host: {reason}"
            wrong.append(Problem(("component", name, table, key), message))
    if wrong:
        raise links.error(manifest, wrong)


def _require_agreement(
    manifest: Manifest, made: Iterable[tuple[str, Link]], digests: Mapping[str, str], cache: Cache
) -> None:
    """Refuse links whose sides mean different things by the interface."""
    wrong = [
        problem for component, link in made for problem in _disagreements(component, link, digests, cache)
    ]
    if wrong:
        raise links.error(manifest, wrong)


def _disagreements(component: str, link: Link, digests: Mapping[str, str], cache: Cache) -> Iterator[Problem]:
    key = _key("link", [link.interface, digests[component], digests[link.component]])
    if cache.built(key):
        return
    consumer, provider = ((name, cache.read(digests[name])) for name in (component, link.component))
    if complaint := disagreement(consumer, link.interface, provider):
        yield links.problem(component, link.follows or link.interface, complaint)
        return
    cache.remember_build(key, digests[component])


def _facts(group: Group, digests: Mapping[str, str]) -> list[object]:
    return [
        [name, digests[name], sorted([link.interface, link.component, link.mode] for link in made)]
        for name, made in sorted(group.parts.items())
    ]


def _key(kind: str, facts: list[object]) -> str:
    text = json.dumps([_SCHEMA, native.version(), kind, facts])
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
