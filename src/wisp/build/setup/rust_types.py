"""How wit-bindgen writes types in Rust, where an implementation of an export meets them: owned, by their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.wit.model import Compound, Interface, Named, Primitive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wisp.wit.model import Type, Wit, World

_PRIMITIVES: Final = {"string": "String"} | {f"s{bits}": f"i{bits}" for bits in (8, 16, 32, 64)}
_COMPOUNDS: Final = {
    "own": "{0}",
    "list": "Vec<{0}>",
    "fixed-length-list": "[{0}; {length}]",
    "option": "Option<{0}>",
    "result": "Result<{0}, {1}>",
    "map": "wit_bindgen::rt::Map<{0}, {1}>",
    "stream": "wit_bindgen::rt::async_support::StreamReader<{0}>",
    "future": "wit_bindgen::rt::async_support::FutureReader<{0}>",
}
_KEYWORDS: Final = frozenset(
    [
        "abstract",
        "as",
        "async",
        "await",
        "become",
        "box",
        "break",
        "const",
        "continue",
        "crate",
        "do",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "gen",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "pub",
        "ref",
        "return",
        "self",
        "static",
        "struct",
        "super",
        "trait",
        "true",
        "try",
        "type",
        "typeof",
        "unsafe",
        "unsized",
        "use",
        "virtual",
        "where",
        "while",
        "yield",
    ]
)


def snake(name: str) -> str:
    """Return the name of a function, a parameter or a module."""
    word = name.replace("-", "_").lower()
    return f"{word}_" if word in _KEYWORDS else word


def camel(name: str) -> str:
    """Return the name of a type."""
    return "".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


class Types:
    """The types of one world."""

    def __init__(self, wit: Wit, world: World) -> None:
        self._wit = wit
        self._world = world
        self._modules: dict[str, str] = {}
        for name, item in world.exports.items():
            if isinstance(item, Interface):
                word = snake(name.partition("@")[0].rpartition("/")[2])
                clash = word in self._modules.values()
                self._modules[item.name] = f"{self._path(name)[-2]}_{word}" if clash else word

    camel = staticmethod(camel)

    def uses(self) -> Iterator[str]:
        """Return the paths of the modules of exported interfaces, each with the name that it has here."""
        for name, word in self._modules.items():
            path = self._path(name)
            yield "::".join(("exports", *path)) + ("" if path[-1] == word else f" as {word}")

    def module(self, name: str) -> str:
        """Return what the module of an exported interface is called here."""
        return self._modules[name]

    def struct(self, owner: str, name: str) -> str:
        """Return the name of our own type for a resource."""
        owners = [each for each in self._modules if name in self._wit.interfaces[each].types]
        return (
            camel(name) if owner == owners[0] else camel(self._modules[owner].replace("_", "-")) + camel(name)
        )

    def write(self, given: Type | None, interface: Interface | None) -> str:
        """Return a type, as an implementation of this interface writes it."""
        match given:
            case None:
                return "()"
            case Primitive(name):
                return _PRIMITIVES.get(name, name)
            case Named():
                return self._named(given, interface)
            case Compound():
                return self._compound(given, interface)

    def _compound(self, given: Compound, interface: Interface | None) -> str:
        if given.kind == "borrow":
            target = given.arguments[0]
            assert isinstance(target, Named)  # noqa: S101 - the grammar says so
            path = self._named(target, interface)
            return f"{path}Borrow<'_>" if self._is_exported(target) else f"&{path}"
        words = [self.write(each, interface) for each in given.arguments]
        if given.kind == "tuple":
            return f"({', '.join(words)}{',' if len(words) == 1 else ''})"
        return _COMPOUNDS[given.kind].format(*words, "()", "()", length=given.length)

    def _named(self, name: Named, interface: Interface | None) -> str:
        if interface is not None and name.name in interface.types and interface.name in self._modules:
            return f"{self._modules[interface.name]}::{camel(name.name)}"
        if name.owner in self._modules:
            return f"{self._modules[name.owner]}::{camel(name.name)}"
        if name.owner in self._wit.interfaces:
            return "::".join((*self._path(name.owner), camel(name.name)))
        return camel(name.name)

    def _is_exported(self, name: Named) -> bool:
        while (target := self._wit.definition(name).target) is not None and isinstance(target, Named):
            name = target
        return name.owner in self._modules

    def _path(self, interface: str) -> tuple[str, ...]:
        """Return the modules that lead to an interface: `cyber`, `packets`, `data_processor`."""
        bare, _, version = interface.partition("@")
        package, slash, name = bare.rpartition("/")
        if not slash:
            return (snake(bare),)
        namespace, _, word = package.partition(":")
        several = sum(each.name.bare == package for each in self._wit.packages) > 1
        suffix = version.translate(str.maketrans(".-+", "___")) if several else ""
        return snake(namespace), snake(word) + suffix, snake(name)
