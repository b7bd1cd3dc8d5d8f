"""What WIT says, as data.

Types are trees that end in primitives and in names. A name leads to its definition through `Wit.definition`, so
that the model has no cycles and two models can be compared name by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

CompoundKind: TypeAlias = Literal[
    "list", "fixed-length-list", "option", "result", "tuple", "map", "future", "stream", "own", "borrow"
]
DefinitionKind: TypeAlias = Literal["record", "variant", "enum", "flags", "resource", "alias"]
FunctionKind: TypeAlias = Literal["freestanding", "method", "static", "constructor"]


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts: `u32`, `string`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Named:
    """A type that is defined somewhere."""

    owner: str
    """The interface (`wasi:io/streams@0.2.0`) or the world that defines it."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Compound:
    """A type that is made of others and has no name: `list<u8>`."""

    kind: CompoundKind
    arguments: tuple[Type | None, ...] = ()
    """In the order of the text; None where a `result`, a `future` or a `stream` has no type."""

    length: int | None = None
    """Of a list with a fixed length."""

    def __str__(self) -> str:
        if self.kind == "own":
            return str(self.arguments[0])
        if self.kind == "result":
            return _result(*self.arguments)
        words = [str(argument) for argument in self.arguments if argument is not None]
        if self.length is not None:
            words.append(str(self.length))
        name = "list" if self.kind == "fixed-length-list" else self.kind
        return f"{name}<{', '.join(words)}>" if words else name


Type: TypeAlias = Primitive | Named | Compound


@dataclass(frozen=True, slots=True)
class Member:
    """A field, a case, an element of an enumeration, or a flag."""

    name: str
    type: Type | None = None
    docs: str = ""

    def __str__(self) -> str:
        return self.name if self.type is None else f"{self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class Definition:
    """A type with a name."""

    name: str
    kind: DefinitionKind
    members: tuple[Member, ...] = ()
    target: Type | None = None
    """What an alias stands for."""

    docs: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or something of a resource that can be called."""

    name: str
    """Its name among those of its interface: `process`, `[method]counter.add`."""

    kind: FunctionKind
    parameters: tuple[Member, ...]
    """A method's first one is `self`."""

    result: Type | None
    is_async: bool = False
    resource: str | None = None
    """The name of the resource that it belongs to."""

    docs: str = ""

    @property
    def item_name(self) -> str:
        """Its name within its resource: `add`; that of a constructor is `constructor`."""
        if self.kind == "constructor":
            return "constructor"
        return self.name.rpartition("]")[2].rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.name}: {self.signature}"

    @property
    def signature(self) -> str:
        """Parameters and result, as WIT writes them."""
        parameters = ", ".join(str(parameter) for parameter in self.parameters)
        result = f" -> {self.result}" if self.result is not None else ""
        return f"{'async ' if self.is_async else ''}func({parameters}){result}"


@dataclass(frozen=True, slots=True)
class Interface:
    """Types and functions under one name."""

    name: str
    """Its full name, `wasi:io/streams@0.2.0`; a short one when it stands inside a world."""

    types: Mapping[str, Definition]
    functions: Mapping[str, Function]
    docs: str = ""


Item: TypeAlias = Interface | Function | Definition


@dataclass(frozen=True, slots=True)
class World:
    """What a component needs and gives."""

    name: str
    imports: Mapping[str, Item]
    exports: Mapping[str, Item]
    docs: str = ""


@dataclass(frozen=True, slots=True)
class PackageName:
    """`wasi:io@0.2.0`."""

    namespace: str
    name: str
    version: str | None = None

    @property
    def bare(self) -> str:
        """The name without its version."""
        return f"{self.namespace}:{self.name}"

    def __str__(self) -> str:
        return self.bare if self.version is None else f"{self.bare}@{self.version}"


@dataclass(frozen=True, slots=True)
class Package:
    """A package, with those of its interfaces and worlds that are known here."""

    name: PackageName
    interfaces: tuple[str, ...]
    """Full names."""

    worlds: tuple[str, ...]
    text: str
    """The package as a file."""


@dataclass(frozen=True, slots=True)
class Wit:
    """A package, or the world of a component, with everything that it refers to."""

    package: Package
    packages: tuple[Package, ...]
    """All packages, the one above too."""

    interfaces: Mapping[str, Interface]
    """All interfaces with a full name, by it."""

    worlds: Mapping[str, World]
    """The worlds of the package, by name."""

    world: World | None
    """The world that a component has; None when this is no component."""

    text: str
    """All of it in one text: the package, and what it refers to nested in it."""

    definitions: Mapping[Named, Definition] = field(repr=False)

    def definition(self, name: Named) -> Definition:
        """Look a name up."""
        return self.definitions[name]

    def resolved(self, given: Type) -> Type | Definition:
        """Follow aliases to what a type is: a definition that is no alias, or a type without a name."""
        while isinstance(given, Named):
            found = self.definitions[given]
            if found.target is None:
                return found
            given = found.target
        return given


def _result(ok: Type | None = None, err: Type | None = None) -> str:
    if err is None:
        return "result" if ok is None else f"result<{ok}>"
    return f"result<{'_' if ok is None else ok}, {err}>"
