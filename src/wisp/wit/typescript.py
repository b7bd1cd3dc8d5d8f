"""Types of a world for TypeScript, as the text of a `.d.ts`: what a component in QuickJS imports, and what it is to export.

Each interface is an ambient module by its full name. Of an imported one it has the functions; of an exported one the type of the
object that the component exports (`DataProcessor` of `data-processor`). A function whose result is a `result` returns its value
and throws its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.wit.model import Compound, Definition, Function, Interface, Named, Primitive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wisp.wit.model import Item, Member, Type, Wit, World

_PRIMITIVES: Final = {"bool": "boolean", "char": "string", "string": "string", "error-context": "unknown"}
"""All others are numbers, those of 64 bits too: QuickJS has no others."""

_COMPOUNDS: Final = {
    "own": "{0}",
    "borrow": "{0}",
    "list": "Array<{0}>",
    "fixed-length-list": "Array<{0}>",
    "map": "Map<{0}, {1}>",
    "stream": "AsyncIterable<{0}>",
    "future": "Promise<{0}>",
}


def write(wit: Wit, world: World) -> str:
    """Write the types of a component that has a world. The same input gives the same text."""
    lines = [f"// Types of the world `{world.name}`, written by `wisp wit init`; do not edit."]
    interfaces = {item.name: item for item in _interfaces((*world.imports.values(), *world.exports.values()))}
    for interface in interfaces.values():
        lines += ["", *_Module(wit, interface, world).write()]
    functions = [item for item in world.exports.values() if isinstance(item, Function)]
    if functions:
        lines += ["", *_world(wit, world, functions)]
    return "\n".join(lines) + "\n"


def exported_name(interface: str) -> str:
    """Return what a component calls the object that implements an interface: `dataProcessor`."""
    return value_name(short(interface))


def short(interface: str) -> str:
    """Return an interface's own name: `data-processor`."""
    return interface.partition("@")[0].rpartition("/")[2]


def type_name(name: str) -> str:
    """Return the name of a type: `DataProcessor`."""
    return "".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def value_name(name: str) -> str:
    """Return the name of a function, a parameter or a field: `encryptionLevel`."""
    word = type_name(name)
    return word[:1].lower() + word[1:]


def parameter_name(name: str) -> str:
    """Return the name of a parameter, which may not be a word of the language."""
    word = value_name(name)
    return f"{word}_" if word in _RESERVED else word


_RESERVED: Final = frozenset(
    [
        "arguments",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "eval",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "let",
        "new",
        "null",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ]
)


def _interfaces(items: Iterable[Item]) -> Iterator[Interface]:
    return (item for item in items if isinstance(item, Interface))


def _world(wit: Wit, world: World, functions: Iterable[Function]) -> Iterator[str]:
    writer = _Writer(wit, owner=None)
    yield f'declare module "{wit.package.name.bare}/{world.name}" {{'
    yield "  /** The functions that the component exports by themselves. */"
    yield f"  export interface {type_name(world.name)} {{"
    yield from (f"    {writer.member(function)}" for function in functions)
    yield from ("  }", "}")


@dataclass(frozen=True, slots=True)
class _Writer:
    wit: Wit
    owner: str | None
    """The interface whose module we are in: its types need no other name."""

    def type(self, given: Type | None) -> str:
        match given:
            case None:
                return "void"
            case Primitive(name):
                return _PRIMITIVES.get(name, "number")
            case Named(owner, name):
                return type_name(name) if owner == self.owner else f'import("{owner}").{type_name(name)}'
            case Compound():
                return self._compound(given)

    def _compound(self, given: Compound) -> str:
        words = [self.type(each) for each in given.arguments]
        match given.kind:
            case "list" | "fixed-length-list" if given.arguments[0] == Primitive("u8"):
                return "Uint8Array"
            case "stream" if given.arguments[:1] == (Primitive("u8"),):
                return "AsyncIterable<Uint8Array>"
            case "tuple":
                return f"[{', '.join(words)}]"
            case "option":
                return self._option(given, words[0])
            case "result":
                ok, err = (*given.arguments, None, None)[:2]
                return f"{self._case('ok', ok)} | {self._case('err', err)}"
            case kind:
                return _COMPOUNDS[kind].format(*words, "void")

    def _option(self, given: Compound, word: str) -> str:
        argument = given.arguments[0]
        inner = None if argument is None else self.wit.resolved(argument)
        if isinstance(inner, Compound) and inner.kind == "option":
            return f'{{ tag: "some"; val: {word} }} | {{ tag: "none" }}'
        return f"{word} | null"

    def _case(self, tag: str, payload: Type | None) -> str:
        return f'{{ tag: "{tag}" }}' if payload is None else f'{{ tag: "{tag}"; val: {self.type(payload)} }}'

    def variant(self, members: Iterable[Member]) -> str:
        return " | ".join(self._case(member.name, member.type) for member in members) or "never"

    def member(self, function: Function, *, name: str | None = None) -> str:
        given = function.parameters[1:] if function.kind == "method" else function.parameters
        parameters = ", ".join(f"{parameter_name(each.name)}: {self.type(each.type)}" for each in given)
        return f"{name or value_name(function.item_name)}({parameters}): {self.result(function)};"

    def result(self, function: Function) -> str:
        found = None if function.result is None else self.wit.resolved(function.result)
        if isinstance(found, Compound) and found.kind == "result":
            word = self.type(found.arguments[0] if found.arguments else None)
        else:
            word = self.type(function.result)
        return f"Promise<{word}>" if function.is_async else word


class _Module:
    def __init__(self, wit: Wit, interface: Interface, world: World) -> None:
        self._interface = interface
        self._writer = _Writer(wit, interface.name)
        self._is_import = interface.name in {each.name for each in _interfaces(world.imports.values())}
        self._is_export = interface.name in {each.name for each in _interfaces(world.exports.values())}

    def write(self) -> Iterator[str]:
        yield from _docs(self._interface.docs, "")
        yield f'declare module "{self._interface.name}" {{'
        yield from (f"  {line}" for line in self._body())
        yield "}"

    def _body(self) -> Iterator[str]:
        for name, definition in self._interface.types.items():
            yield from _docs(definition.docs, "")
            yield from self._definition(type_name(name), definition)
        free = [each for each in self._interface.functions.values() if each.resource is None]
        if self._is_import:
            for function in free:
                yield from _docs(function.docs, "")
                yield f"export function {self._writer.member(function)}"
        if self._is_export:
            yield from self._exported(free)

    def _exported(self, free: Iterable[Function]) -> Iterator[str]:
        word = type_name(short(self._interface.name))
        clash = any(type_name(name) == word for name in self._interface.types)
        yield f"/** What the component exports as `{exported_name(self._interface.name)}`. */"
        yield f"export interface {word}{'Exports' if clash else ''} {{"
        for function in free:
            yield from _docs(function.docs, "  ")
            yield f"  {self._writer.member(function)}"
        for name, definition in self._interface.types.items():
            if definition.kind == "resource":
                yield f"  {type_name(name)}: {self._constructor(name)};"
        yield "}"

    def _constructor(self, resource: str) -> str:
        word = type_name(resource)
        parts = []
        for function in self._interface.functions.values():
            if function.resource == resource and function.kind == "constructor":
                parameters = ", ".join(
                    f"{parameter_name(each.name)}: {self._writer.type(each.type)}"
                    for each in function.parameters
                )
                parts.append(f"new ({parameters}): {word};")
            elif function.resource == resource and function.kind == "static":
                parts.append(self._writer.member(function))
        return f"{{ {' '.join(parts)} }}" if parts else "unknown"

    def _definition(self, name: str, given: Definition) -> Iterator[str]:
        match given.kind:
            case "record":
                yield f"export interface {name} {{"
                for member in given.members:
                    yield from _docs(member.docs, "  ")
                    yield f"  {value_name(member.name)}: {self._writer.type(member.type)};"
                yield "}"
            case "flags":
                fields = " ".join(f"{value_name(member.name)}: boolean;" for member in given.members)
                yield f"export interface {name} {{ {fields} }}"
            case "enum":
                cases = " | ".join(f'"{member.name}"' for member in given.members)
                yield f"export type {name} = {cases};"
            case "variant":
                yield f"export type {name} = {self._writer.variant(given.members)};"
            case "alias":
                yield f"export type {name} = {self._writer.type(given.target)};"
            case "resource":
                yield from self._resource(name, given.name)

    def _resource(self, name: str, resource: str) -> Iterator[str]:
        """Write a class for an imported one; of an exported one only what its instances can do is known."""
        yield f"export {'class' if self._is_import else 'interface'} {name} {{"
        for function in self._interface.functions.values():
            if function.resource != resource:
                continue
            if function.kind == "method":
                yield f"  {self._writer.member(function)}"
            elif self._is_import and function.kind == "static":
                yield f"  static {self._writer.member(function)}"
            elif self._is_import:
                yield f"  {self._writer.member(function, name='constructor').rpartition(': ')[0]};"
        if self._is_import:
            yield f"  [Symbol.dispose]{'?' if self._is_export else ''}(): void;"
        yield "}"


def _docs(text: str, indent: str) -> Iterator[str]:
    if text.strip():
        words = " ".join(text.replace("*/", "* /").split())
        yield f"{indent}/** {words} */"
