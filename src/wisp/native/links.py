"""Linking components: what they ask for and offer, whether it fits, and composing them into one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The interfaces through which a component can be linked."""

    imports: tuple[str, ...]
    """All that it imports."""

    needed: frozenset[str]
    """Those imports that something must answer: they have functions or resources."""

    exports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a composition."""

    wasm: bytes
    links: Mapping[str, str] = field(default_factory=dict)
    """By imported interface: the part that answers."""

    open: AbstractSet[str] = frozenset()
    """Interfaces that stay imports of the whole, whatever they are."""

    trusted: bool = False
    """It may do whatever the entry may; otherwise it is denied what gives something away."""


def interfaces(name: str, wasm: bytes) -> Interfaces:
    """Return what the component called `name` imports and exports.

    Raises:
        ComponentError: it is no component.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    found = json.loads(_core.interfaces(name, wasm))
    return Interfaces(
        imports=tuple(entry["name"] for entry in found["imports"]),
        needed=frozenset(entry["name"] for entry in found["imports"] if entry["needed"]),
        exports=tuple(found["exports"]),
    )


def check_link(consumer: tuple[str, bytes], interface: str, provider: tuple[str, bytes]) -> None:
    """Compare what one component means by an interface with what another one exports; each comes with its name.

    Raises:
        ComponentError: one of them has no such interface, or they differ; the message says where.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    _core.check_link(consumer, interface, provider)


def compose(entry: str, parts: Mapping[str, Part]) -> bytes:
    """Make one component of several; its exports are those of the entry.

    Raises:
        ComponentError: they do not fit together.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    components = list(dict.fromkeys(part.wasm for part in parts.values()))
    description = {
        "entry": entry,
        "parts": {
            name: {
                "component": components.index(part.wasm),
                "links": dict(part.links),
                "open": sorted(part.open),
                "trusted": part.trusted,
            }
            for name, part in parts.items()
        },
    }
    return _core.compose(json.dumps(description), components)
