"""Generated WIT: pairs of versions of one package, which have much in common.

Each package has three interfaces, of which each may use types of those before it, and of an interface of another package, under their
names or under others; and it may have a world. What a name stands for is decided when the text is written: a type that is not
there is written `u8`. So a part can be taken away or changed, and the rest stays as it was.

Strategies are made once: making and validating them takes far longer than drawing from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIMITIVES = ("bool", "u8", "u32", "s64", "f64", "string")
"""Without `char`, of which there are no streams yet."""

TYPES: dict[str, tuple[str, ...]] = {
    "base": ("e0", "er"),
    "types": ("s0", "s1", "sr"),
    "api": ("t0", "t1", "tr"),
    "more": ("m0", "mr"),
}
"""By interface, in the order in which they may use each other: the types that it may define. Those with an `r` are resources."""

FUNCTIONS = ("f0", "f1", "f2")
RENAMED = "-too"
"""The end of the name of a type that is used under another one."""


@dataclass(frozen=True)
class Reference:
    """A named type, lent where it is a resource and `lent` says so; where it does not exist it is written `u8`."""

    name: str
    lent: bool = False


@dataclass(frozen=True)
class Compound:
    """`list<u8>`, `result<_, string>` and so on."""

    pattern: str
    parts: tuple[Type, ...]


Type = str | Reference | Compound
Members = tuple[tuple[str, "Type | None"], ...]


@dataclass(frozen=True)
class Definition:
    """A type with a name."""

    kind: str
    members: Members = ()


@dataclass(frozen=True)
class Function:
    """A function of the interface, or of its resource when there is one."""

    parameters: Members
    result: Type | None
    asynchronous: bool = False
    kind: str = "free"
    """`free`, `method`, `static` or `constructor`."""


@dataclass(frozen=True)
class Interface:
    """Types and functions; None for what is left out."""

    uses: frozenset[tuple[str, str]]
    """The interface, and the name that the type has there; with `RENAMED` at its end to use it under another name."""

    types: Mapping[str, Definition | None]
    functions: Mapping[str, Function | None]


@dataclass(frozen=True)
class World:
    """What it imports and exports, in texts that may mention types of `types`: `{s0}` and `{sr}`."""

    items: tuple[str, ...] = ()
    included: frozenset[str] = frozenset()
    """Which of the items come from a world that is included."""


@dataclass(frozen=True)
class Package:
    """Three interfaces, the package that they use types of, and a world."""

    interfaces: Mapping[str, Interface]
    base: Mapping[str, Definition | None]
    base_version: str = "1.0.0"
    world: World = field(default_factory=World)

    def text(self, version: str) -> str:
        """Write it."""
        known: dict[str, dict[str, bool]] = {"base": {}}
        base = _types("base", self.base, known["base"], {})
        parts = [f"package test:pair@{version};\n"]
        for name in ("types", "api", "more"):
            text = self._interface(name, self.interfaces[name], known)
            parts.append(f"interface {name} {{\n{text}}}\n")
        parts += _world(self.world, known["types"])
        parts.append(f"package dep:other@{self.base_version} {{\n  interface base {{\n{base}}}\n}}\n")
        return "".join(parts)

    def _interface(self, name: str, interface: Interface, known: dict[str, dict[str, bool]]) -> str:
        inside: dict[str, bool] = {}
        lines = []
        for owner, word in sorted(interface.uses):
            there = word.removesuffix(RENAMED)
            if there in known[owner] and word not in inside:
                inside[word] = known[owner][there]
                place = f"dep:other/base@{self.base_version}" if owner == "base" else owner
                rename = f" as {word}" if word != there else ""
                lines.append(f"  use {place}.{{{there}{rename}}};\n")
        resource = any(entry == RESOURCE for entry in interface.types.values())
        functions = {word: entry for word, entry in interface.functions.items() if entry}
        free = {word: entry for word, entry in functions.items() if not resource or entry.kind == "free"}
        held = {word: entry for word, entry in functions.items() if word not in free}
        known[name] = inside
        return "".join(
            [*lines, _types(name, interface.types, inside, held), *_functions(free, inside, method=False)]
        )


def _world(world: World, known: Mapping[str, bool]) -> list[str]:
    names = {word: word if word in known else "u8" for word in ("s0", "sr")}
    used = [word for word in names if word in known]
    names["use"] = f"use types.{{{', '.join(used)}}};" if used else ""
    items = {item: item.format_map(names) for item in world.items}
    if not items:
        return []
    included = [items[item] for item in world.items if item in world.included and "{" not in item]
    own = [text for text in items.values() if text not in included]
    mentioned = [
        word for word in used if any(f"{{{word}}}" in item and "{use}" not in item for item in items)
    ]
    use = f"  use types.{{{', '.join(mentioned)}}};\n" if mentioned else ""
    parts = [f"world part {{ {' '.join(included)} }}\n"] if included else []
    return [*parts, f"world w {{\n{use}  {'include part; ' if included else ''}{' '.join(own)}\n}}\n"]


def _types(
    owner: str, given: Mapping[str, Definition | None], known: dict[str, bool], held: Mapping[str, Function]
) -> str:
    """Write definitions, each of which may mention those before it; a resource is known to all."""
    known |= {name: True for name, entry in given.items() if entry and entry.kind == "resource"}
    text = ""
    for name in TYPES[owner]:
        entry = given[name]
        if entry is not None and entry.kind != "resource":
            text += _definition(name, entry, known)
            target = entry.members[0][1]
            alias = entry.kind == "type" and isinstance(target, Reference) and target.name != name
            known[name] = alias and known.get(getattr(target, "name", ""), False)
        elif entry is not None:
            text += f"  resource {name} {{\n{''.join(_functions(held, known, method=True))}  }}\n"
    return text


def _functions(functions: Mapping[str, Function], known: Mapping[str, bool], *, method: bool) -> list[str]:
    texts = []
    has_constructor = False
    for name, entry in functions.items():
        parameters = ", ".join(
            f"{parameter}: {_type(kind or 'u8', known, lent=True)}" for parameter, kind in entry.parameters
        )
        if method and entry.kind == "constructor" and not has_constructor:
            has_constructor = True
            texts.append(f"    constructor({parameters});\n")
            continue
        static = "static " if method and entry.kind == "static" else ""
        result = "" if entry.result is None else f" -> {_type(entry.result, known)}"
        asynchronous = "async " if entry.asynchronous else ""
        texts.append(f"  {name}: {static}{asynchronous}func({parameters}){result};\n")
    return texts


def _type(given: Type, known: Mapping[str, bool], *, lent: bool = False) -> str:
    if isinstance(given, Reference):
        if given.name not in known:
            return "u8"
        return f"borrow<{given.name}>" if known[given.name] and lent and given.lent else given.name
    if isinstance(given, Compound):
        return given.pattern.format(*(_type(part, known) for part in given.parts))
    return given


def _definition(name: str, entry: Definition, known: Mapping[str, bool]) -> str:
    if entry.kind == "type":
        target = entry.members[0][1]
        return f"  type {name} = {_type(target or 'u8', known)};\n"
    marks = {"record": "{}: {}", "variant": "{}({})"}
    members = (
        member if kind is None else marks[entry.kind].format(member, _type(kind, known))
        for member, kind in entry.members
    )
    return f"  {entry.kind} {name} {{ {', '.join(members)} }}\n"


RESOURCE = Definition("resource")
_ITEMS = (
    "import types;",
    "import api;",
    "import more;",
    "export types;",
    "export api;",
    "export more;",
    "export run: func(a: u8);",
    "export run: func(a: {s0}) -> {sr};",
    "import log: func();",
    "import log: async func(a: {s0});",
    "import side: interface {{ {use} f: func(a: {s0}) -> {sr}; }}",
    "export inner: interface {{ {use} record g {{ a: {s0} }} f: func(a: g); }}",
    "export inner: interface {{ record g {{ a: u8 }} f: func(a: g); }}",
    "record part-type {{ a: {s0} }} import put: func(a: part-type);",
    "resource part-type {{ m: func(a: {s0}); }} import take: func(a: part-type);",
    "enum part-type {{ a }} export get: func() -> part-type;",
)


def worlds() -> st.SearchStrategy[World]:
    """Draw what a world imports and exports."""
    items = st.lists(st.sampled_from(_ITEMS), min_size=1, max_size=5, unique_by=_subject).map(tuple)
    return st.builds(World, items, st.frozensets(st.sampled_from(_ITEMS), max_size=3))


def _subject(item: str) -> str:
    """Return what may be in a world once: an interface as an import and as an export, anything else with its name."""
    return item if item.endswith(("types;", "api;", "more;")) else item.replace(":", " ").split()[1]


@cache
def packages() -> st.SearchStrategy[Package]:
    """Draw a package."""
    return st.builds(
        Package,
        st.fixed_dictionaries({name: _interfaces(name) for name in ("types", "api", "more")}),
        st.fixed_dictionaries({"e0": _definitions(("er",)), "er": st.sampled_from([None, RESOURCE])}),
    )


@cache
def _interfaces(name: str) -> st.SearchStrategy[Interface]:
    before = [other for other in TYPES if list(TYPES).index(other) < list(TYPES).index(name)]
    there = [(owner, word) for owner in before for word in (*TYPES[owner], *_through(owner))]
    uses = [*there, *((owner, word + RENAMED) for owner, word in there if not word.endswith(RENAMED))]
    own = TYPES[name]
    names = tuple(dict.fromkeys([*own, *(word for _, word in uses)]))
    outside = tuple(word for word in names if word not in own)
    return st.builds(
        Interface,
        st.frozensets(st.sampled_from(uses), max_size=4),
        st.fixed_dictionaries(
            {
                word: st.sampled_from([None, RESOURCE])
                if word.endswith("r")
                else _definitions((*outside, *own[:at], own[-1]))
                for at, word in enumerate(own)
            }
        ),
        st.fixed_dictionaries({word: st.none() | _drawn_functions(names) for word in FUNCTIONS}),
    )


def _through(owner: str) -> tuple[str, ...]:
    """Return types that an interface may have from others, for those after it to use."""
    return {"types": ("e0", "er"), "api": ("s0", "sr", "s0" + RENAMED)}.get(owner, ())


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Package, Package]:
    """Draw a package and another version of it, which differs in a few places."""
    old, other = draw(packages()), draw(packages())
    new = old
    for place in draw(st.lists(st.sampled_from(_PLACES), max_size=3)):
        interface, word = place
        if interface == "base":
            new = draw(_other_base(word, new, other))
            continue
        there, from_other = new.interfaces[interface], other.interfaces[interface]
        if word == "uses":
            changed = replace(there, uses=from_other.uses)
        elif word in FUNCTIONS:
            changed = replace(there, functions={**there.functions, word: from_other.functions[word]})
        else:
            version = draw(_versions(there.types[word], from_other.types[word]))
            changed = replace(there, types={**there.types, word: version})
        new = replace(new, interfaces={**new.interfaces, interface: changed})
    return old, new


_PLACES = [
    *((interface, word) for interface, words in TYPES.items() for word in words),
    *((interface, word) for interface in ("types", "api", "more") for word in ("uses", *FUNCTIONS)),
    ("base", "version"),
]


def _other_base(word: str, new: Package, other: Package) -> st.SearchStrategy[Package]:
    if word == "version":
        return st.sampled_from(["1.1.0", "2.0.0"]).map(lambda version: replace(new, base_version=version))
    versions = _versions(new.base[word], other.base[word])
    return versions.map(lambda version: replace(new, base={**new.base, word: version}))


def _versions(old: Definition | None, other: Definition | None) -> st.SearchStrategy[Definition | None]:
    """Draw what became of a definition: something else, or the same with its members changed a little."""
    if old is None or len(old.members) < 2:
        return st.just(other)
    return st.sampled_from(
        [
            other,
            replace(old, members=old.members[1:]),
            replace(old, members=old.members[::-1]),
            replace(old, members=(*old.members[:-1], ("z", old.members[-1][1]))),
        ]
    )


@cache
def _drawn_types(names: tuple[str, ...]) -> st.SearchStrategy[Type]:
    leaves: st.SearchStrategy[Type] = st.sampled_from(
        [*PRIMITIVES, *map(Reference, names), *(Reference(name, lent=True) for name in names if "r" in name)]
    )
    one = [
        "list<{}>",
        "option<{}>",
        "result<{}>",
        "stream<{}>",
        "future<{}>",
        "list<{}, 2>",
        "map<string, {}>",
    ]
    two = ["tuple<{}, {}>", "result<{}, {}>"]
    return st.recursive(
        leaves,
        lambda below: st.one_of(
            st.builds(Compound, st.sampled_from(one), st.tuples(below)),
            st.builds(Compound, st.sampled_from(two), st.tuples(below, below)),
        ),
        max_leaves=3,
    )


@cache
def _members(names: tuple[str, ...], *, payload: bool) -> st.SearchStrategy[Members]:
    kinds = _drawn_types(names) if payload else st.none()
    return st.lists(
        st.tuples(st.sampled_from("abcd"), kinds), min_size=1, max_size=3, unique_by=lambda it: it[0]
    ).map(tuple)


@cache
def _definitions(names: tuple[str, ...]) -> st.SearchStrategy[Definition | None]:
    return st.one_of(
        st.none(),
        st.builds(Definition, st.just("record"), _members(names, payload=True)),
        st.builds(Definition, st.just("variant"), _members(names, payload=True)),
        st.builds(Definition, st.sampled_from(["enum", "flags", "variant"]), _members(names, payload=False)),
        st.builds(Definition, st.just("type"), st.tuples(st.tuples(st.just("a"), _drawn_types(names)))),
    )


@cache
def _drawn_functions(names: tuple[str, ...]) -> st.SearchStrategy[Function]:
    return st.builds(
        Function,
        st.lists(
            st.tuples(st.sampled_from("xyz"), _drawn_types(names)), max_size=2, unique_by=lambda it: it[0]
        ).map(tuple),
        st.none() | _drawn_types(names),
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["free", "free", "method", "static", "constructor"]),
    )
