"""What differs between two versions of a package, or of a component, and which version that asks for.

`wisp.wit.changes` says whom a single change breaks. Here the interfaces and worlds of the two are matched, the types
that matter to a linker are found, and the sum is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wisp.wit.changes import Change, Needs, definition_changes, function_changes, interface_changes, noun
from wisp.wit.model import Definition, Function, Interface, Named
from wisp.wit.structure import Side, closed, used
from wisp.wit.versions import Version
from wisp.wit.words import added, removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wisp.wit.changes import Affected
    from wisp.wit.model import Item, PackageName, Wit, World


_ROLES: Final[dict[bool, dict[Affected, Affected]]] = {
    True: {"importers": "components", "exporters": "hosts"},
    False: {"importers": "hosts", "exporters": "components"},
}
"""Who is who at an interface that a world imports (True) or exports."""

_WORLDS: Final = frozenset({"components", "hosts"})


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs."""

    old: PackageName
    new: PackageName
    changes: tuple[Change, ...]
    consequences: tuple[Change, ...] = ()
    """What the changes of interfaces mean for the worlds that have them; they ask for no version of their own."""

    @property
    def breaking(self) -> bool:
        """Whether something that was built against the old one stops working with the new one."""
        return any({"importers", "components", "sources"} & set(change.breaks) for change in self.changes)

    @property
    def same_track(self) -> bool:
        """Whether linkers take the one version for the other."""
        if self.old.version is None or self.new.version is None:
            return self.old.version == self.new.version
        return Version.parse(self.old.version).track == Version.parse(self.new.version).track

    @property
    def links(self) -> bool:
        """Whether a component that imports the old links, as it is, to one that exports the new."""
        stops = any({"importers", "components"} & set(change.breaks) for change in self.changes)
        return self.old.bare == self.new.bare and self.same_track and not stops

    @property
    def asks_for(self) -> str | None:
        """The lowest version that the new one may have; None when the old one has none."""
        if self.old.version is None:
            return None
        version = Version.parse(self.old.version)
        if self.breaking:
            version = version.next_track()
        elif self.changes:
            version = version.next_addition()
        return str(version)

    @property
    def enough(self) -> bool:
        """Whether the new one has a version that promises no more than it keeps."""
        if self.asks_for is None or self.new.version is None:
            return not self.breaking
        if self.breaking and self.same_track:
            return False
        return Version.parse(self.new.version).key >= Version.parse(self.asks_for).key


def compare(old: Wit, new: Wit) -> Difference:
    """Compare two packages, or two components."""
    if old.world is not None and new.world is not None:
        sides = Side(old, frozenset()), Side(new, frozenset())
        changes = _world(old.world, new.world, sides, own=frozenset())
    else:
        bare = frozenset({old.package.name.bare, new.package.name.bare})
        sides = Side(old, bare), Side(new, bare)
        changes = _packages(old, new, sides)
    found = tuple(changes)
    return Difference(
        old.package.name,
        new.package.name,
        changes=tuple(change for change in found if not change.follows),
        consequences=tuple(change for change in found if change.follows),
    )


def misfits(
    component: Wit, target: Wit, world: str, *, names: tuple[str, str] = ("", "")
) -> tuple[Change, ...]:
    """Find what keeps a component from fitting a world, told with the names of both, or as changes that lead to the world."""
    if component.world is None:
        return ()
    sides = (
        Side(component, frozenset(), name=names[0]),
        Side(target, frozenset(), name=names[1]),
    )
    changes = _world(component.world, target.worlds[world], sides, own=frozenset())
    return tuple(change for change in changes if "components" in change.breaks)


def compare_interfaces(
    old: Wit, new: Wit, pairs: Iterable[tuple[str, str]], *, names: tuple[str, str] = ("", "")
) -> tuple[Change, ...]:
    """Compare single interfaces: what an importer has against what an exporter has.

    Args:
        old: What holds the importer's interfaces, its component for example.
        new: What holds the exporter's.
        pairs: The full names of the interfaces in the one and in the other. Versions of their packages do not count.
        names: What the two are called in what is said of them; without, they are versions.

    A link works when no change breaks `importers`. Types of other interfaces that these use are compared too.

    """
    pairs = tuple(pairs)
    bare = frozenset(name.partition("/")[0] for pair in pairs for name in pair)
    sides = Side(old, bare, name=names[0]), Side(new, bare, name=names[1])
    interfaces = [(old.interfaces.get(left), new.interfaces.get(right)) for left, right in pairs]
    needs = _needs(
        [left for left, _ in interfaces if left is not None],
        [right for _, right in interfaces if right is not None],
        sides,
    )
    compared = frozenset(sides[0].owner(left) for left, _ in pairs)
    return (*_paired(interfaces, sides, needs), *_elsewhere(sides, needs, compared))


def _packages(old: Wit, new: Wit, sides: tuple[Side, Side]) -> Iterator[Change]:
    before, after = _own(old, sides[0]), _own(new, sides[1])
    needs = _needs(before.values(), after.values(), sides)
    names = [*before, *(name for name in after if name not in before)]
    yield from _paired(((before.get(name), after.get(name)) for name in names), sides, needs)
    own = frozenset(names)
    yield from _elsewhere(sides, needs, own)
    for name, world in old.worlds.items():
        if name in new.worlds:
            yield from _world(world, new.worlds[name], sides, own=own)
        else:
            yield Change(old.package.name.bare, f"world {name}", "removed", ("sources",))
    for name in new.worlds:
        if name not in old.worlds:
            yield Change(new.package.name.bare, f"world {name}", "added", ())


def _own(wit: Wit, side: Side) -> dict[str, Interface]:
    """Find the interfaces of the package itself."""
    return {side.owner(name): wit.interfaces[name] for name in wit.package.interfaces}


def _paired(
    pairs: Iterable[tuple[Interface | None, Interface | None]], sides: tuple[Side, Side], needs: Needs
) -> Iterator[Change]:
    for old, new in pairs:
        if old is not None and new is not None:
            yield from interface_changes(old, new, sides, needs)
        elif old is not None:
            path = sides[0].owner(old.name)
            yield Change(
                path, "", "removed", ("importers",) if _linked(old, path, needs.old) else ("sources",)
            )
        elif new is not None:
            path = sides[1].owner(new.name)
            yield Change(path, "", "added", ("exporters",) if _linked(new, path, needs.new) else ())


def _linked(interface: Interface, path: str, needs: frozenset[tuple[str, str]]) -> bool:
    """Tell whether a component that imports it really does: it has functions, or a type that one uses."""
    return bool(interface.functions) or any((path, name) in needs for name in interface.types)


def _needs(old: Iterable[Interface], new: Iterable[Interface], sides: tuple[Side, Side]) -> Needs:
    return Needs(_needed(old, sides[0]), _needed(new, sides[1]))


def _needed(interfaces: Iterable[Interface], side: Side) -> frozenset[tuple[str, str]]:
    """Find the types that a component that imports interfaces brings with it: what functions use, and resources."""
    found: set[Named] = set()
    for interface in interfaces:
        found |= used(interface.functions.values(), side.wit)
        found |= {
            Named(interface.name, name) for name, entry in interface.types.items() if entry.kind == "resource"
        }
    return frozenset(side.key(name) for name in found)


def _elsewhere(sides: tuple[Side, Side], needs: Needs, compared: frozenset[str]) -> Iterator[Change]:
    """Compare types that functions use of interfaces that are not compared themselves.

    Those of other packages come from somewhere else than the importer and the exporter: they only have to agree.
    """
    before, after = ({side.owner(name): name for name in side.wit.interfaces} for side in sides)
    for owner, name in sorted(needs.old | needs.new):
        if owner in compared or not (owner in before or owner in after):
            continue
        old = _type(sides[0], before.get(owner), name)
        new = _type(sides[1], after.get(owner), name)
        shared = owner.partition("/")[0] in sides[0].bare
        affected: list[Affected] = ["importers"] if (owner, name) in needs.old else []
        affected += ["exporters"] if (owner, name) in needs.new else []
        if old is not None and new is not None:
            for text in definition_changes(old, new, (before[owner], after[owner]), sides):
                yield Change(owner, noun(new), text, tuple(affected))
        elif shared and (only := old or new) is not None:
            yield Change(owner, noun(only), added(sides) if old is None else removed(sides), tuple(affected))


def _type(side: Side, interface: str | None, name: str) -> Definition | None:
    return None if interface is None else side.wit.interfaces[interface].types.get(name)


def _world(old: World, new: World, sides: tuple[Side, Side], *, own: frozenset[str]) -> Iterator[Change]:
    yield from _items(old, new, sides, own=own, direction="import")
    exporting = (
        replace(sides[0], exported=frozenset(old.exports)),
        replace(sides[1], exported=frozenset(new.exports)),
    )
    yield from _items(old, new, exporting, own=own, direction="export")


def _items(
    old: World, new: World, sides: tuple[Side, Side], *, own: frozenset[str], direction: str
) -> Iterator[Change]:
    """Match what two worlds import, or export.

    A component gives to a host what it exports, and gets what it imports: so the two kinds that meet at an interface
    are, for imports, the component as importer and the host as exporter, and the other way round for exports.
    """
    imports = direction == "import"
    before = _named(old.imports if imports else old.exports, sides[0])
    after = _named(new.imports if imports else new.exports, sides[1])
    gone: tuple[Affected, ...] = ("components",) if imports else ("hosts",)
    come: tuple[Affected, ...] = ("hosts",) if imports else ("components",)
    path = f"world {new.name}"
    for name, item in before.items():
        subject = f"{direction} {name}"
        if name not in after:
            yield Change(
                path,
                subject,
                removed(sides),
                gone if _matters(item, old, sides[0], imports=imports) else ("sources",),
            )
            continue
        changes = _item((subject, item, after[name]), (old, new), sides, imports=imports)
        if name not in own:
            yield from changes
        elif affected := {side for change in changes for side in change.breaks if side in _WORLDS}:
            yield Change(path, subject, "changed", tuple(sorted(affected)), follows=True)
    for name, item in after.items():
        if name not in before:
            yield Change(
                path,
                f"{direction} {name}",
                added(sides),
                come if _matters(item, new, sides[1], imports=imports) else (),
            )


def _named(items: Mapping[str, Item], side: Side) -> dict[str, Item]:
    return {side.owner(name) if ":" in name else name: item for name, item in items.items()}


def _matters(item: Item, world: World, side: Side, *, imports: bool) -> bool:
    """Tell whether a linker looks at it: of interfaces that a component imports, it sees what is used; all else, it sees."""
    if not imports or not isinstance(item, Interface):
        return True
    return bool(item.functions) or bool(_all(item) & _seen(item, world, side, imports=True))


def _world_needs(
    items: tuple[Item, Item], worlds: tuple[World, World], sides: tuple[Side, Side], *, imports: bool
) -> Needs:
    """Find the types that matter at one interface of two worlds."""
    found = [
        frozenset(side.key(name) for name in _seen(item, world, side, imports=imports))
        for item, world, side in zip(items, worlds, sides, strict=True)
    ]
    return Needs(*found)


def _seen(item: Item, world: World, side: Side, *, imports: bool) -> set[Named]:
    """Find the types that a linker sees: those that a component uses of what it imports, all of what it exports."""
    if not imports:
        return closed(_all(item), side.wit)
    exported = set(used(_functions(world.exports.values()), side.wit))
    for export in world.exports.values():
        exported |= closed(_all(export), side.wit)
    # What is exported refers to what is exported beside it, before it refers to imports.
    found = {name for name in exported if name.owner not in world.exports}
    # Types of the world itself are there whether or not something uses them.
    own = (Named(world.name, name) for name, entry in world.imports.items() if isinstance(entry, Definition))
    found |= closed(own, side.wit)
    return found | used(_functions(world.imports.values()), side.wit) | _all(item, kinds={"resource"})


def _functions(items: Iterable[Item]) -> Iterator[Function]:
    for item in items:
        if isinstance(item, Function):
            yield item
        elif isinstance(item, Interface):
            yield from item.functions.values()


def _all(item: Item, *, kinds: set[str] | None = None) -> set[Named]:
    if not isinstance(item, Interface):
        return set()
    types = item.types.items()
    return {Named(item.name, name) for name, entry in types if kinds is None or entry.kind in kinds}


def _item(
    items: tuple[str, Item, Item], worlds: tuple[World, World], sides: tuple[Side, Side], *, imports: bool
) -> Iterator[Change]:
    subject, old, new = items
    path = f"world {worlds[1].name}"
    if isinstance(old, Interface) and isinstance(new, Interface):
        needs = _world_needs((old, new), worlds, sides, imports=imports)
        kinds = _ROLES[imports]
        for change in interface_changes(old, new, sides, needs):
            words = f"{change.subject}: {change.text}"
            yield Change(path, subject, words, tuple(kinds.get(side, side) for side in change.breaks))
    elif isinstance(old, Function) and isinstance(new, Function):
        for text in function_changes(old, new, sides):
            yield Change(path, subject, text, ("components", "hosts"))
    elif isinstance(old, Definition) and isinstance(new, Definition):
        for text in definition_changes(old, new, (worlds[0].name, worlds[1].name), sides):
            yield Change(path, subject, text, ("components", "hosts"))
    else:
        yield Change(path, subject, "is something else now", ("components", "hosts"))
