"""Who answers whom: the links of an app, checked against what its components import and export.

A link is **fused** when both components become one, **bridged** when the host carries the call to another instance. A
fused component cannot be told from its caller, so it must not gain anything by that: it is fused when it has been granted the
same as its caller, or nothing, and then what it was not granted is denied inside. Otherwise the link is bridged. A link that is
written as **remote** leads to wherever in a lattice the component runs, here or on another host; so does one to a component of another app, of
which nothing is known here but its name.

A link of an address, `http://orders.internal`, is no call: it lets a component send requests to another one, in process. It is
a grant too, and always carried by the host.

Here everything is decided by names. Whether two components mean the same by an interface is for those to say who have
their bytes; `problem` writes their complaint with its place.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from wisp.manifest import problems
from wisp.manifest.positions import positions
from wisp.manifest.problems import Problem
from wisp.manifest.values import INTERFACE_PATTERN, PEER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wisp.errors import ManifestError
    from wisp.manifest.linking import LinkTarget
    from wisp.manifest.models import Component, Manifest
    from wisp.manifest.positions import Path as KeyPath
    from wisp.native import Interfaces

Mode: TypeAlias = Literal["fused", "bridged", "remote"]

_VERSION: Final = re.compile(
    r"(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)(?P<rest>.*)"
)
_HOST: Final = ("wasi:", "wisp:", "fermyon:spin/", "spin:")
"""What the host may answer itself."""

_SERVING: Final = ("wasi:http/incoming-handler", "wasi:http/handler")
_SENDING: Final = ("wasi:http/outgoing-handler", "wasi:http/client", "wasi:http/handler")


@dataclass(frozen=True, slots=True)
class Link:
    """One import of a component, and the component that answers."""

    interface: str
    component: str
    mode: Mode
    reason: str
    """Why this mode, in words."""

    follows: str | None = None
    """The link that brought this one along: its interface uses types of this one."""

    app: str | None = None
    """The app that the component belongs to; None for the same one."""

    idempotent: bool = False
    """Whether a call may run twice."""

    @property
    def is_call(self) -> bool:
        """Whether an import is answered; otherwise the interface is an address, and requests are."""
        return not is_peer(self.interface)

    @property
    def provider(self) -> str:
        """The component that answers, with its app if that is another one."""
        return self.component if self.app is None else f"{self.app}/{self.component}"


@dataclass(frozen=True, slots=True)
class Group:
    """An entry, and all components that are fused into it."""

    entry: str
    parts: Mapping[str, tuple[Link, ...]]
    """By component, the entry first: its links, fused and bridged."""

    @property
    def carried(self) -> dict[str, Link]:
        """By interface: the links that the host carries."""
        return {
            link.interface: link for links in self.parts.values() for link in links if link.mode != "fused"
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The links of an app."""

    links: Mapping[str, tuple[Link, ...]]
    """By component that has links."""

    groups: Mapping[str, Group]
    """By component that the host runs: those with a trigger, those that are called over a bridge or from other apps, those that nothing is linked to."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What somebody wants who does not serve the app."""

    open_imports: bool = False
    """Leave imports that nothing answers to the program that loads the app."""

    entry: str | None = None
    """The one component to be put together, whoever else is linked to it; None for all that the host runs."""


def resolve(manifest: Manifest, found: Mapping[str, Interfaces], options: LinkOptions | None = None) -> Plan:
    """Decide who answers each import of each component.

    Args:
        manifest: With its profile applied.
        found: By component: what it imports and exports.
        options: What is wanted other than for serving.

    Raises:
        ManifestError: a link is wrong, or an import is left that nothing answers.

    """
    options = options or LinkOptions()
    manifest = in_full(manifest, found)
    wrong: list[Problem] = []
    links: dict[str, tuple[Link, ...]] = {}
    for name in manifest.component:
        problems_of_it = list(_problems(manifest, name, found))
        if not options.open_imports:
            problems_of_it += _unanswered(manifest, name, found)
        wrong += problems_of_it
        if not problems_of_it:
            links[name] = tuple(_links(manifest, name, found))
    if not wrong:
        wrong += _conflicts(links)
    if wrong:
        raise error(manifest, wrong)
    links = {name: made for name, made in links.items() if made}
    entries = [options.entry] if options.entry in manifest.component else _entries(manifest, links)
    return Plan(links, {entry: _group(entry, links) for entry in entries})


def problem(component: str, interface: str, message: str) -> Problem:
    """Complain about the link of an interface."""
    return Problem(("component", component, "link", interface), message)


def error(manifest: Manifest, wrong: Sequence[Problem]) -> ManifestError:
    """Make one error of all problems, each with its place in the manifest."""
    try:
        places = positions(manifest.path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        places = {}
    return problems.manifest_error(manifest.path, wrong, places)


def in_full(manifest: Manifest, found: Mapping[str, Interfaces]) -> Manifest:
    """Return the manifest with each link of a package, or of an interface without its version, as those that it means."""
    components = dict(manifest.component)
    for name, component in manifest.component.items():
        link: dict[str, LinkTarget] = {}
        for key, target in component.link.items():
            exports = _exports(target, found)
            for meant in _meant(key, found[name].imports, exports):
                if meant == key or meant not in component.link:
                    link[meant] = target
        if link.keys() != component.link.keys():
            components[name] = component.model_copy(update={"link": link})
    return manifest.model_copy(update={"component": components})


def _exports(target: LinkTarget, found: Mapping[str, Interfaces]) -> Sequence[str] | None:
    """Return what a component exports; None where that is known on another host only."""
    if target.app is not None:
        return None
    return found[target.component].exports if target.component in found else ()


def _meant(key: str, imports: Sequence[str], exports: Sequence[str] | None) -> Sequence[str]:
    """Return the imports that a link means: itself, or all that are exported of what it names in part."""
    if key in imports or is_peer(key):
        return [key]
    name, _, version = key.partition("@")

    def covers(interface: str) -> bool:
        whole, _, other = interface.partition("@")
        same = whole == name or ("/" not in name and whole.partition("/")[0] == name)
        return same and (not version or compatible(f"{whole}@{version}", f"{whole}@{other}"))

    def exported(interface: str) -> bool:
        return exports is None or any(compatible(interface, other) for other in exports)

    return [each for each in imports if covers(each) and exported(each)] or [key]


def is_peer(name: str) -> bool:
    """Whether a link of this name is one of an address."""
    return re.fullmatch(PEER_PATTERN, name) is not None


def grants(component: Component) -> dict[str, object]:
    """Return what a component was given that others may lack; empty when that is nothing."""
    peers = {name: target.component for name, target in component.link.items() if is_peer(name)}
    granted = {"environment": component.environment, "peers": peers}
    granted |= {f"grants.{kind}": given for kind, given in component.grants.model_dump().items()}
    return {kind: given for kind, given in granted.items() if given}


def compatible(wanted: str, offered: str) -> bool:
    """Whether an interface may stand for another: the same name, on the same track of semantic versions."""
    if wanted == offered:
        return True
    name, version = _split(wanted)
    other, other_version = _split(offered)
    return name == other and version is not None and other_version is not None and version == other_version


def _split(interface: str) -> tuple[str, tuple[str, ...] | None]:
    """Return an interface's name, and the part of its version that has to be equal."""
    name, _, version = interface.partition("@")
    match = _VERSION.fullmatch(version)
    if match is None or match["rest"]:
        return name, None
    if match["major"] != "0":
        return name, (match["major"],)
    return name, ("0", match["minor"]) if match["minor"] != "0" else ("0", "0", match["patch"])


def _problems(manifest: Manifest, name: str, found: Mapping[str, Interfaces]) -> Iterator[Problem]:
    component = manifest.component[name]
    for interface, target in component.link.items():
        if complaint := _complaint(name, interface, target, found):
            yield problem(name, interface, complaint)
        elif target.mode == "fused" and (
            against := _against(component, manifest.component[target.component])
        ):
            message = (
                f"{target.component} cannot be fused into {name}: {against}; a bridged link keeps them apart"
            )
            yield Problem(("component", name, "link", interface, "mode"), message)
    exports = found[name].exports
    for interface in component.offer:
        if interface not in exports:
            message = f"{name} does not export it; {_nearest(interface, exports, what='exports')}"
            yield Problem(("component", name, "offer", interface), message)


def _unanswered(manifest: Manifest, name: str, found: Mapping[str, Interfaces]) -> Iterator[Problem]:
    answered = {link.interface for link in _links(manifest, name, found)}
    for interface in found[name].imports:
        # What has another form of name cannot be linked; the host says what it cannot answer.
        linkable = re.fullmatch(INTERFACE_PATTERN, interface) and not interface.startswith(_HOST)
        if linkable and interface in found[name].needed and interface not in answered:
            path: KeyPath = ("component", name, "link", interface)
            yield Problem(path, _unlinked(name, interface, found))


def _complaint(name: str, interface: str, target: LinkTarget, found: Mapping[str, Interfaces]) -> str | None:
    imports, exports = found[name].imports, _exports(target, found)
    if is_peer(interface):
        return _peer_complaint(name, interface, target, found)
    if interface not in imports:
        return f"{name} does not import it; {_nearest(interface, imports, what='imports')}"
    if exports is None:
        return None
    if interface not in exports and not any(compatible(interface, export) for export in exports):
        said = f"{target.component} does not export it"
        same = [export for export in exports if _split(export)[0] == _split(interface)[0]]
        if same:
            return f"{said} in this version: it exports {', '.join(same)}"
        return f"{said}; {_nearest(interface, exports, what='exports')}"
    return None


def _peer_complaint(
    name: str, interface: str, target: LinkTarget, found: Mapping[str, Interfaces]
) -> str | None:
    if target.is_remote:
        return "requests go to components of this app on this host; a remote link is one of an interface"
    imports, exports = found[name].imports, found[target.component].exports
    if not any(_split(export)[0] in _SERVING for export in exports):
        return f"{target.component} answers no requests: it does not export wasi:http"
    # Spin's manifests let components reach each other that have nothing to say.
    spin = interface.endswith(".spin.internal")
    if not spin and not any(_split(wanted)[0] in _SENDING for wanted in imports):
        return f"{name} sends no requests: it does not import wasi:http"
    if target.mode == "fused":
        return "requests are no calls, and go from one component to another: they cannot be fused"
    return None


def _unlinked(name: str, interface: str, found: Mapping[str, Interfaces]) -> str:
    message = f"{name} imports {interface}, which nothing answers"
    providers = [
        other
        for other, sides in found.items()
        if other != name and any(compatible(interface, export) for export in sides.exports)
    ]
    if len(providers) > 1:
        return f"{message}: it could be linked to any of {', '.join(providers)}; say to which"
    provider = providers[0] if providers else "..."
    end = "" if providers else "; no component of this app exports it"
    return f'{message}; write `"{interface}" = "{provider}"` in [component.{name}.link]{end}'


def _nearest(interface: str, known: Sequence[str], *, what: str) -> str:
    similar = difflib.get_close_matches(interface, known, n=1, cutoff=0.75)
    if similar:
        return f"did you mean {similar[0]}?"
    shown = [name for name in known if not name.startswith(_HOST)]
    return f"its {what} are {', '.join(shown)}" if shown else f"it has no {what} that could be linked"


def _links(manifest: Manifest, name: str, found: Mapping[str, Interfaces]) -> Iterator[Link]:
    """List the links of a component: those that are written, and those of interfaces whose types these use."""
    component = manifest.component[name]
    for interface, target in component.link.items():
        yield _link(interface, target, component, manifest.component.get(target.component))
    for interface in found[name].imports:
        if interface not in component.link and interface in found[name].needed:
            yield from _following(manifest, name, interface, found)


def _following(
    manifest: Manifest, name: str, interface: str, found: Mapping[str, Interfaces]
) -> Iterator[Link]:
    """Link an interface that is not mentioned, when a provider of the same package exports it too."""
    package = interface.partition("/")[0]
    component = manifest.component[name]
    for leader, target in component.link.items():
        exports = _exports(target, found) or ()
        same = leader.partition("/")[0] == package and not interface.startswith(_HOST)
        if same and any(compatible(interface, export) for export in exports):
            made = _link(interface, target, component, manifest.component[target.component])
            yield replace(made, follows=leader)
            return


def _link(interface: str, target: LinkTarget, caller: Component, callee: Component | None) -> Link:
    if is_peer(interface):
        return Link(interface, target.component, "bridged", "requests go from one component to another")
    if target.is_remote or callee is None:
        reason = "the manifest says so" if target.app is None else "it is a component of another app"
        return Link(
            interface, target.component, "remote", reason, app=target.app, idempotent=target.idempotent
        )
    if target.mode != "auto":
        return Link(interface, target.component, target.mode, "the manifest says so")
    against = _against(caller, callee)
    if against is None:
        return Link(interface, target.component, "fused", "it is granted nothing that its caller is not")
    return Link(interface, target.component, "bridged", against)


def _against(caller: Component, callee: Component) -> str | None:
    """Say why a component may not be fused into its caller."""
    given, granted = grants(caller), grants(callee)
    if not granted or granted == given:
        return None
    if granted.get("environment", given.get("environment")) != given.get("environment"):
        return "it has an environment that its caller has not"
    if granted.get("peers", given.get("peers")) != given.get("peers"):
        return "it may send requests where its caller may not"
    for kind in sorted(granted):
        if granted[kind] != given.get(kind):
            return f"it was granted {kind.removeprefix('grants.')} that its caller was not"
    return "its caller was granted more than it"


def _conflicts(links: Mapping[str, tuple[Link, ...]]) -> Iterator[Problem]:
    """Find links of one group that the host carries and that want the same interface from different components."""
    for entry in links:
        seen: dict[str, tuple[str, Link]] = {}
        for name, made in _group(entry, links).parts.items():
            for link in made:
                other, first = (
                    seen.setdefault(link.interface, (name, link)) if link.mode != "fused" else (name, link)
                )
                if first.provider != link.provider:
                    message = (
                        f"{name} is fused into {entry} with {other}, whose {first.mode} link of the same interface leads to"
                        f" {first.provider}; make the link to {name} bridged, or one of these two fused"
                    )
                    yield problem(name, link.interface, message)


def _group(entry: str, links: Mapping[str, tuple[Link, ...]]) -> Group:
    parts: dict[str, tuple[Link, ...]] = {}
    waiting = [entry]
    for name in waiting:
        if name not in parts:
            parts[name] = links.get(name, ())
            waiting += [link.component for link in parts[name] if link.mode == "fused"]
    return Group(entry, parts)


def _entries(manifest: Manifest, links: Mapping[str, tuple[Link, ...]]) -> tuple[str, ...]:
    all_links = [link for made in links.values() for link in made]
    within = [link for link in all_links if link.app is None]
    targets = {link.component for link in within}
    run = {trigger.component for trigger in manifest.http} | {cron.component for cron in manifest.cron}
    run |= {link.component for link in within if link.mode != "fused"}
    run |= {name for name, component in manifest.component.items() if component.offer}
    return tuple(name for name in manifest.component if name in run or name not in targets)
