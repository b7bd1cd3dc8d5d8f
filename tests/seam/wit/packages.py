"""Generated WIT: pairs of versions of one package, which have much in common.

Strategies are made once: making and validating them takes far longer than drawing from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from hypothesis import strategies as st

PRIMITIVES = ("bool", "u8", "u32", "s64", "f64", "char", "string")
SHARED = ("s0", "s1")
"""Types of the interface `types`."""

OWN = ("t0", "t1", "r0")
"""Types of the interface `api`."""

FUNCTIONS = ("f0", "f1", "f2")


@dataclass(frozen=True)
class Reference:
    """A named type; where it does not exist it is written `u8`."""

    name: str


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
    """A function of the interface, or of the resource `r0` when there is one."""

    parameters: Members
    result: Type | None
    asynchronous: bool = False
    method: bool = False


@dataclass(frozen=True)
class Package:
    """Two interfaces; None for what is left out."""

    shared: dict[str, Definition | None]
    used: frozenset[str]
    own: dict[str, Definition | None]
    functions: dict[str, Function | None]

    def text(self, version: str) -> str:
        """Write it."""
        known = {name for name, entry in self.shared.items() if entry}
        used = sorted(self.used & known)
        types = "".join(_definition(name, entry, known, []) for name, entry in self.shared.items() if entry)
        inside = set(used) | {name for name, entry in self.own.items() if entry}
        use = f"  use types.{{{', '.join(used)}}};\n" if used else ""
        has_resource = self.own["r0"] is not None
        methods = [
            _function(name, entry, inside) for name, entry in self.functions.items() if entry and entry.method
        ]
        free = [
            _function(name, entry, inside)
            for name, entry in self.functions.items()
            if entry and not (entry.method and has_resource)
        ]
        own = "".join(_definition(name, entry, inside, methods) for name, entry in self.own.items() if entry)
        return (
            f"package test:pair@{version};\n"
            f"interface types {{\n{types}}}\n"
            f"interface api {{\n{use}{own}{''.join(free)}}}\n"
        )


@cache
def packages() -> st.SearchStrategy[Package]:
    """Draw a package."""
    return st.builds(
        Package,
        st.fixed_dictionaries({name: _definitions(SHARED[:at]) for at, name in enumerate(SHARED)}),
        st.frozensets(st.sampled_from(SHARED)),
        st.fixed_dictionaries(
            {
                "t0": _definitions(SHARED),
                "t1": _definitions((*SHARED, "t0")),
                "r0": st.sampled_from([None, Definition("resource")]),
            }
        ),
        st.fixed_dictionaries({name: st.none() | _functions() for name in FUNCTIONS}),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Package, Package]:
    """Draw a package and another version of it, which differs in a few places."""
    old, other = draw(packages()), draw(packages())
    new = old
    for place in draw(st.lists(st.sampled_from([*SHARED, *OWN, *FUNCTIONS, "used"]), max_size=3)):
        if place == "used":
            new = replace(new, used=other.used)
        elif place in SHARED:
            new = replace(
                new, shared={**new.shared, place: draw(_versions(new.shared[place], other.shared[place]))}
            )
        elif place in OWN:
            new = replace(new, own={**new.own, place: draw(_versions(new.own[place], other.own[place]))})
        else:
            new = replace(new, functions={**new.functions, place: other.functions[place]})
    return old, new


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
def _types(names: tuple[str, ...]) -> st.SearchStrategy[Type]:
    leaves: st.SearchStrategy[Type] = st.sampled_from([*PRIMITIVES, *map(Reference, names)])
    return st.recursive(
        leaves,
        lambda below: st.one_of(
            st.builds(Compound, st.sampled_from(["list<{}>", "option<{}>", "result<{}>"]), st.tuples(below)),
            st.builds(
                Compound, st.sampled_from(["tuple<{}, {}>", "result<{}, {}>"]), st.tuples(below, below)
            ),
        ),
        max_leaves=3,
    )


@cache
def _members(names: tuple[str, ...], *, payload: bool) -> st.SearchStrategy[Members]:
    kinds = _types(names) if payload else st.none()
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
        st.builds(Definition, st.just("type"), st.tuples(st.tuples(st.just("a"), _types(names)))),
    )


@cache
def _functions() -> st.SearchStrategy[Function]:
    names = (*SHARED, *OWN)
    return st.builds(
        Function,
        st.lists(
            st.tuples(st.sampled_from("xyz"), _types(names)), max_size=2, unique_by=lambda it: it[0]
        ).map(tuple),
        st.none() | _types(names),
        st.sampled_from([False, False, False, True]),
        st.booleans(),
    )


def _type(given: Type, known: set[str]) -> str:
    if isinstance(given, Reference):
        return given.name if given.name in known else "u8"
    if isinstance(given, Compound):
        return given.pattern.format(*(_type(part, known) for part in given.parts))
    return given


def _definition(name: str, entry: Definition, known: set[str], methods: list[str]) -> str:
    # A definition may refer to what stands before it only, which the names see to.
    if entry.kind == "type":
        target = entry.members[0][1]
        return f"  type {name} = {_type(target or 'u8', known - {name})};\n"
    if entry.kind == "resource":
        return f"  resource {name} {{\n{''.join(methods)}  }}\n"
    marks = {"record": "{}: {}", "variant": "{}({})"}
    members = (
        member if kind is None else marks[entry.kind].format(member, _type(kind, known))
        for member, kind in entry.members
    )
    return f"  {entry.kind} {name} {{ {', '.join(members)} }}\n"


def _function(name: str, entry: Function, known: set[str]) -> str:
    parameters = ", ".join(
        f"{parameter}: {_type(kind or 'u8', known)}" for parameter, kind in entry.parameters
    )
    result = "" if entry.result is None else f" -> {_type(entry.result, known)}"
    return f"  {name}: {'async ' if entry.asynchronous else ''}func({parameters}){result};\n"
