"""Which types of two descriptions are the same to a linker, and which types a function brings with it.

A linker compares types by structure, and wants more: a name that an importer uses has to be there, with the same structure. So
types are compared with a cut at names that both sides have; what such a name stands for is compared once, where it is defined.
Resources are not compared by structure, they are what their name says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wisp.wit.model import Compound, Definition, Named, Primitive
from wisp.wit.versions import name_on_track

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wisp.wit.model import Function, Member, Type, Wit


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two descriptions."""

    wit: Wit
    bare: frozenset[str]
    """The packages (`cyber:packets`) whose version does not count, because another version of them is on the other side."""

    exported: frozenset[str] = frozenset()
    """The interfaces that a world exports, while its exports are compared: there, their names lead to what is exported."""

    name: str = ""
    """What it is called in sentences, where it is a component that meets another one, and not a version."""

    _keys: dict[str, str] = field(default_factory=dict, repr=False)

    def owner(self, name: str) -> str:
        """Return what an interface is compared by."""
        found = self._keys.get(name)
        if found is None:
            bare = name.partition("/")[0] in self.bare
            found = self._keys[name] = name.partition("@")[0] if bare else name_on_track(name)
        return found

    def key(self, name: Named) -> tuple[str, str]:
        """Return what a type's name is compared by."""
        return self.owner(name.owner), name.name

    def identity(self, name: Named) -> tuple[bool, tuple[str, str]]:
        """Return what tells a name from others: a type of an export is another one than that of an import beside it."""
        return name.owner in self.exported, self.key(name)

    def origin(self, name: Named) -> str:
        """Say where a component has a type from that its exports mention."""
        return "exported" if name.owner in self.exported else "imported"

    def final(self, given: Type) -> Type:
        """Follow aliases up to the name of a definition that is none, or to a type without a name."""
        while isinstance(given, Named):
            target = self.wit.definition(given).target
            if target is None:
                break
            given = target
        return given


def same(old: Type | None, new: Type | None, sides: tuple[Side, Side]) -> bool:
    """Tell whether a linker takes the one for the other, if all names that both have mean the same."""
    if old is None or new is None:
        return old is new
    before, after = sides
    if isinstance(old, Named) and isinstance(new, Named) and before.identity(old) == after.identity(new):
        return True
    old, new = before.final(old), after.final(new)
    if isinstance(old, Named) and isinstance(new, Named):
        return same_definition(old, new, sides)
    if isinstance(old, Compound) and isinstance(new, Compound):
        return (old.kind, old.length, len(old.arguments)) == (
            new.kind,
            new.length,
            len(new.arguments),
        ) and all(same(left, right, sides) for left, right in zip(old.arguments, new.arguments, strict=True))
    return isinstance(old, Primitive) and old == new


def same_definition(old: Named, new: Named, sides: tuple[Side, Side]) -> bool:
    """Compare what two names stand for; neither may be an alias."""
    before, after = sides
    left, right = before.wit.definition(old), after.wit.definition(new)
    if left.kind != right.kind:
        return False
    if left.kind == "resource":
        return before.identity(old) == after.identity(new)
    return same_members(left.members, right.members, sides)


def same_members(old: tuple[Member, ...], new: tuple[Member, ...], sides: tuple[Side, Side]) -> bool:
    """Compare fields, cases or flags: names and types, in their order."""
    return [member.name for member in old] == [member.name for member in new] and all(
        same(left.type, right.type, sides) for left, right in zip(old, new, strict=True)
    )


def used(functions: Iterable[Function], wit: Wit) -> set[Named]:
    """Find every named type that functions mention, directly or through other types."""
    found: set[Named] = set()
    for function in functions:
        for given in (*(parameter.type for parameter in function.parameters), function.result):
            _collect(given, wit, found)
    return found


def closed(names: Iterable[Named], wit: Wit) -> set[Named]:
    """Add to named types those that they are made of."""
    found: set[Named] = set()
    for name in names:
        _collect(name, wit, found)
    return found


def _collect(given: Type | None, wit: Wit, found: set[Named]) -> None:
    if isinstance(given, Compound):
        for argument in given.arguments:
            _collect(argument, wit, found)
    elif isinstance(given, Named) and given not in found:
        found.add(given)
        definition: Definition = wit.definition(given)
        for part in (definition.target, *(member.type for member in definition.members)):
            _collect(part, wit, found)
