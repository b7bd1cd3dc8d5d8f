"""What differs between two versions of an interface, one sentence for each difference.

Two kinds of components meet at an interface: those that import it and those that export it. A change breaks **importers** when a
component that was built against the old version does not link to one that exports the new; it breaks **exporters** when
a component that was built to export the old does not link to one that imports the new. What a linker never looks at, a type that no
function uses, may still break **sources** that name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from wisp.wit.model import Named
from wisp.wit.structure import same, same_members
from wisp.wit.words import added, became, here, removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wisp.wit.model import Definition, Function, Interface, Member, Type
    from wisp.wit.structure import Side

Affected: TypeAlias = Literal["importers", "exporters", "components", "hosts", "sources"]
BOTH: Final[tuple[Affected, ...]] = ("importers", "exporters")
_WORDS: Final = {"record": "field", "variant": "case", "enum": "case", "flags": "flag"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    path: str
    """Where: `cyber:packets/data-processor`."""

    subject: str
    """What: `record packet`, `function process`."""

    text: str
    """How it differs: ``field `ttl: u32` added``."""

    breaks: tuple[Affected, ...]

    follows: bool = False
    """It only says what another change means for a world that has the interface."""

    def __str__(self) -> str:
        parts = [part for part in (self.path, self.subject) if part]
        return f"{': '.join([*parts, self.text])}: {self.effect}"

    @property
    def effect(self) -> str:
        """Whom it breaks, in words."""
        if self.breaks == ("sources",):
            return "breaks sources that name it, no component"
        return f"breaks {' and '.join(self.breaks)}" if self.breaks else "breaks nobody"


@dataclass(frozen=True, slots=True)
class Needs:
    """The named types that the other side has to have: `importers` were built against the old, `exporters` meet the new."""

    old: frozenset[tuple[str, str]]
    new: frozenset[tuple[str, str]]


def interface_changes(
    old: Interface, new: Interface, sides: tuple[Side, Side], needs: Needs
) -> Iterator[Change]:
    """Find what differs between two versions of one interface."""
    path = sides[1].owner(new.name)
    for change in (*_types(old, new, sides, needs), *_functions(old, new, sides)):
        yield Change(path, *change)


def function_changes(old: Function, new: Function, sides: tuple[Side, Side]) -> Iterator[str]:
    """Find what differs between two signatures."""
    if old.is_async != new.is_async:
        yield became(_asynchronous(old), _asynchronous(new), sides)
    if len(old.parameters) == len(new.parameters):
        for left, right in zip(old.parameters, new.parameters, strict=True):
            if left.name != right.name:
                yield f"parameter `{right}`{here(sides[1])} stands where `{left}`{here(sides[0]) or ' was'}"
            elif not same(left.type, right.type, sides):
                yield f"parameter `{left.name}` {became(f'`{left.type}`', f'`{right.type}`', sides)}"
    else:
        yield from _members("parameter", old.parameters, new.parameters, sides)
    if not same(old.result, new.result, sides):
        was, now = f"`{old.result or 'nothing'}`", f"`{new.result or 'nothing'}`"
        yield f"the result {became(was, now, sides)}"


def title(function: Function) -> str:
    """Name a function for people: `method counter.add`."""
    if function.kind == "freestanding":
        return f"function {function.name}"
    if function.kind == "constructor":
        return f"constructor of {function.resource}"
    return f"{function.kind} {'function ' if function.kind == 'static' else ''}{function.resource}.{function.item_name}"


def definition_changes(
    old: Definition, new: Definition, owners: tuple[str, str], sides: tuple[Side, Side]
) -> Iterator[str]:
    """Find what differs between two types of one name."""
    names = Named(owners[0], old.name), Named(owners[1], new.name)
    left, right = sides[0].final(names[0]), sides[1].final(names[1])
    if old.kind == "alias" or new.kind == "alias":
        # Two aliases whose targets share a name are the same here; that name is compared in its own place.
        targets = old.target or left, new.target or right
        if not same(*targets, sides):
            yield from _aliases(old, new, (left, right), sides)
    elif old.kind != new.kind:
        yield became(_article(old.kind), _article(new.kind), sides)
    elif not same_members(old.members, new.members, sides):
        yield from _members(_WORDS[new.kind], old.members, new.members, sides)


def _aliases(
    old: Definition, new: Definition, finals: tuple[Type, Type], sides: tuple[Side, Side]
) -> Iterator[str]:
    """Say how two types differ of which one at least is an alias."""
    before, after = sides
    left, right = finals
    if not (isinstance(left, Named) and isinstance(right, Named) and before.key(left) == after.key(right)):
        yield became(_said(old), _said(new), sides)
        return
    # One name, but only one of the two stands beside an export of the same interface.
    meant = before.wit.definition(left), after.wit.definition(right)
    where = f"{noun(meant[1])} of {after.owner(right.owner)}"
    if meant[1].kind == "resource":
        was, now = before.origin(left), after.origin(right)
        yield f"is the {now} {where}, was the {was} one"
    for text in definition_changes(*meant, (left.owner, right.owner), sides):
        yield f"{where}: {text}"


def _types(
    old: Interface, new: Interface, sides: tuple[Side, Side], needs: Needs
) -> Iterator[tuple[str, str, tuple[Affected, ...]]]:
    owner = sides[1].owner(new.name)
    for name, definition in old.types.items():
        key = owner, name
        if name not in new.types:
            breaks: tuple[Affected, ...] = ("importers",) if key in needs.old else ("sources",)
            yield noun(definition), removed(sides), breaks
            continue
        affected: list[Affected] = ["importers"] if key in needs.old else []
        affected += ["exporters"] if key in needs.new else []
        for text in definition_changes(definition, new.types[name], (old.name, new.name), sides):
            yield noun(new.types[name]), text, tuple(affected) or ("sources",)
    for name, definition in new.types.items():
        if name not in old.types:
            yield noun(definition), added(sides), ("exporters",) if (owner, name) in needs.new else ()


def _functions(
    old: Interface, new: Interface, sides: tuple[Side, Side]
) -> Iterator[tuple[str, str, tuple[Affected, ...]]]:
    for name, function in old.functions.items():
        if name not in new.functions:
            yield title(function), removed(sides), ("importers",)
            continue
        for text in function_changes(function, new.functions[name], sides):
            yield title(function), text, BOTH
    for name, function in new.functions.items():
        if name not in old.functions:
            yield title(function), added(sides), ("exporters",)


def _members(
    word: str, old: Iterable[Member], new: Iterable[Member], sides: tuple[Side, Side]
) -> Iterator[str]:
    before, after = ({member.name: member for member in members} for members in (old, new))
    for name, member in before.items():
        if name not in after:
            yield f"{word} `{member}` {removed(sides)}"
        elif not same(member.type, after[name].type, sides):
            yield f"{word} `{name}` {became(_payload(member), _payload(after[name]), sides)}"
    yield from (f"{word} `{member}` {added(sides)}" for name, member in after.items() if name not in before)
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"the {word}s stand in another order{here(sides[1])}"


def noun(definition: Definition) -> str:
    """Name a type for people: `record packet`."""
    return f"{'type' if definition.kind == 'alias' else definition.kind} {definition.name}"


def _said(definition: Definition) -> str:
    return f"`{definition.target}`" if definition.kind == "alias" else _article(definition.kind)


def _article(word: str) -> str:
    if word == "flags":
        return word
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _asynchronous(function: Function) -> str:
    return "asynchronous" if function.is_async else "synchronous"


def _payload(member: Member) -> str:
    return "without a type" if member.type is None else f"`{member.type}`"
