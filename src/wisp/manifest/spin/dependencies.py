"""What answers the imports of a component of Spin: more components of ours, and links to them.

Spin composes a component with what it depends on, and gives each dependency all, none or some kinds of what its parent may use.
A fused link does the same: what is fused has the grants of its caller, or none. Where a dependency inherits some kinds only, it
is a component with these grants, on a link that the host carries.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wisp.manifest.spin import components
from wisp.manifest.spin.models import Source, split_dependency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.spin.components import Context
    from wisp.manifest.spin.models import Component, Dependency

_OWN: Final = (
    "ai_models",
    "allowed_http_hosts",
    "allowed_outbound_hosts",
    "dependencies",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
)
"""What a component may not have that others depend on: it would not apply."""

_KEYS: Final = {
    "allowed_outbound_hosts": ("http", "sockets"),
    "files": ("files",),
    "key_value_stores": ("keyvalue",),
    "sqlite_databases": ("sqlite",),
    "variables": ("config",),
}
"""By what can be inherited: the keys of our grants."""


class Added:
    """The components and links that dependencies make."""

    def __init__(self, known: Mapping[str, Component], context: Context) -> None:
        self._known = known
        self._context = context
        self.components: dict[str, dict[str, Any]] = {}

    def links(
        self,
        path: KeyPath,
        parent: tuple[str, dict[str, Any]],
        one: Component,
        which: Mapping[str, Dependency],
    ) -> dict[str, str]:
        """Return the links of a component (its name, and what it is in our words), and add what they lead to."""
        link: dict[str, str] = {}
        for name, dependency in which.items():
            where = (*path, "dependencies", name)
            if complaint := self._complaint(name, dependency, parent[0]):
                self._context.notebook.refuse(where, complaint)
                continue
            inherited = dependency.inherit_configuration
            if inherited is None:
                inherited = bool(one.dependencies_inherit_configuration)
            if isinstance(inherited, tuple):
                message = "what inherits some only runs in instances of its own, and calls to it are carried by the host"
                self._context.notebook.differs(where, message)
            link[_wanted(name, dependency.export)] = self._provider(where, parent, dependency, inherited)
        return link

    def _complaint(self, name: str, dependency: Dependency, parent: str) -> str | None:
        if dependency.version is not None:
            return (
                "packages of a registry are not fetched yet; fetch it with `wkg get`, and name its `path`,"
                " or its `url` and `digest`"
            )
        parts = split_dependency(name)
        if parts is None:
            return "only interfaces can be linked, such as `ns:package/interface`; this is a name of a world"
        interface = name.partition("@")[0]
        if dependency.export is not None and dependency.export.partition("@")[0] != interface:
            return f"what is exported under another name ({dependency.export}) cannot be linked"
        return self._unacceptable(dependency.component, parent)

    def _unacceptable(self, name: str | None, parent: str) -> str | None:
        if name is None:
            return None
        if name not in self._known:
            return f'there is no component "{name}"'
        own = [key for key in _OWN if getattr(self._known[name], key)]
        return f"{name} cannot be a dependency of {parent}: it has its own {', '.join(own)}" if own else None

    def _provider(
        self,
        path: KeyPath,
        parent: tuple[str, dict[str, Any]],
        dependency: Dependency,
        inherited: bool | tuple[str, ...],
    ) -> str:
        if dependency.component is not None and not inherited:
            return dependency.component
        given = _given(parent[1], inherited)
        made = {**self._made(path, dependency), **given}
        return self._named(parent[0], _stem(dependency), made)

    def _made(self, path: KeyPath, dependency: Dependency) -> dict[str, Any]:
        if dependency.component is not None:
            known = self._known[dependency.component]
            made = components.source(path, known.source, self._context.notebook)
            return {"source": made, **({"build": build} if (build := components.build(known.build)) else {})}
        source = Source(path=dependency.path, url=dependency.url, digest=dependency.digest)
        return {"source": components.source(path, source, self._context.notebook)}

    def _named(self, parent: str, stem: str, made: dict[str, Any]) -> str:
        """Give a component a name; the same component for the same parent needs one only."""
        name, number = f"{parent}-{stem}", 1
        while name in self._known or self.components.get(name, made) != made:
            number += 1
            name = f"{parent}-{stem}-{number}"
        self.components[name] = made
        return name


def _wanted(name: str, export: str | None) -> str:
    """Return which interface is linked; where only the export has a version, that one is meant."""
    return export if export is not None and "@" not in name else name


def _given(parent: Mapping[str, Any], inherited: bool | tuple[str, ...]) -> dict[str, Any]:
    """Return what of its parent's a dependency may use."""
    grants = dict(parent.get("grants", {}))
    if isinstance(inherited, tuple):
        kept = {key for kind in inherited for key in _KEYS.get(kind, ())}
        grants = {key: value for key, value in grants.items() if key in kept}
    peers = {key: value for key, value in parent.get("link", {}).items() if key.startswith("http://")}

    def named(kind: str) -> bool:
        return kind in inherited if isinstance(inherited, tuple) else inherited

    made = {
        "environment": parent.get("environment") if named("environment") else None,
        "grants": grants if inherited else None,
        "link": peers if named("allowed_outbound_hosts") else None,
    }
    return {key: value for key, value in made.items() if value}


def _stem(dependency: Dependency) -> str:
    if dependency.component is not None:
        return dependency.component
    file = (dependency.path or dependency.url or "").partition("?")[0].rpartition("/")[2]
    stem = re.sub(r"[^a-z0-9]+", "-", file.rpartition(".")[0].lower()).strip("-")
    return stem if stem[:1].isalpha() else f"dependency-{stem}".rstrip("-")
