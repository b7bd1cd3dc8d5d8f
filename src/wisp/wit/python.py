"""Writes types and functions of WIT as Python, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.wit.model import Compound, Named, Primitive
from wisp.wit.names import case_name, type_name, value_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.wit.model import Definition, Function, Interface, Member, Type, Wit

_PRIMITIVES: Final = {
    "bool": "bool",
    "f32": "float",
    "f64": "float",
    "char": "str",
    "string": "str",
    "error-context": "Never",
}
_BYTES: Final = Compound("list", (Primitive("u8"),))
_BUFFERS: Final = "bytes | bytearray | memoryview"
_HEADER: Final = """\
import concurrent.futures
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Literal, Never, Protocol, Self, TypeAlias, TypedDict, overload

from wisp.host.embed import streams
from wisp.wit.values import Err, Ok, Some

"""


class Writer:
    """Knows which class an interface's types are in.

    Args:
        wit: What the types are looked up in.
        classes: The class that holds the types of an interface, by its full name.
        sync: Write plain functions.

    """

    def __init__(self, wit: Wit, classes: Mapping[str, str], *, sync: bool) -> None:
        self._wit = wit
        self._classes = classes
        self._sync = sync

    def header(self) -> str:
        """Return the imports; a stub may import what it does not use."""
        return _HEADER

    def docs(self, text: str, indent: str = "    ") -> list[str]:
        """Write a docstring."""
        first, *rest = text.strip().replace("\\", "\\\\").replace('"""', "'''").splitlines()
        if not rest:
            return [f'{indent}"""{first}"""']
        return [f'{indent}"""{first}', *(f"{indent}{line}".rstrip() for line in rest), f'{indent}"""']

    def types(self, interface: Interface, owner: str, *, implemented: bool = False) -> list[str]:
        """Write the types of an interface, as the first part of its class.

        Args:
            interface: What has the types.
            owner: The class.
            implemented: Its resources are for a program to implement.

        """
        lines: list[str] = []
        for name, definition in interface.types.items():
            below = [function for function in interface.functions.values() if function.resource == name]
            if implemented and definition.kind == "resource":
                lines += ["", *self._implemented(definition, below)]
            else:
                lines += ["", *self._definition(definition, owner, below)]
        return lines

    def makers(self, interface: Interface, owner: str) -> list[str]:
        """Write what makes the resources of an interface that a program implements: their classes, as properties."""
        lines: list[str] = []
        for name, definition in interface.types.items():
            if definition.kind != "resource":
                continue
            made = f"{owner}.{type_name(name)}"
            makes = f"type[{made}]"
            for function in interface.functions.values():
                if function.resource == name and function.kind == "constructor":
                    given = [self.type(each.type) for each in function.parameters if each.type is not None]
                    makes = f"Callable[[{', '.join(given)}], {made}]"
            lines += ["", "    @property", f"    def {type_name(name)}(self) -> {makes}: ..."]
        return lines

    def _implemented(self, definition: Definition, below: list[Function]) -> list[str]:
        """Write what the objects of a resource have that a program implements."""
        docs = self.docs(definition.docs, " " * 8) if definition.docs else []
        lines = [f"    class {type_name(definition.name)}(Protocol):", *docs]
        methods = [function for function in below if function.kind != "constructor"]
        for function in methods:
            lines += ["", *self._function(function, " " * 8, implemented=True)]
        return lines if docs or methods else [*lines, "        ..."]

    def functions(self, functions: Iterable[Function], *, implemented: bool = False) -> list[str]:
        """Write functions as methods; those of resources are left out.

        Args:
            functions: What to write.
            implemented: These are for a program to implement, plain or `async def`.

        """
        lines: list[str] = []
        for function in functions:
            if function.resource is None:
                lines += ["", *self._function(function, "    ", implemented=implemented)]
        return lines

    def type(self, given: Type, *, parameter: bool = False) -> str:
        """Write a type; a `parameter` accepts more than one that is returned."""
        if isinstance(given, Primitive):
            return _PRIMITIVES.get(given.name, "int")
        if isinstance(given, Named):
            return self._reference(given)
        if given == _BYTES:
            return _BUFFERS if parameter else "bytes"
        return self._compound(given, parameter=parameter)

    def _reference(self, name: Named) -> str:
        word = type_name(name.name)
        return f"{self._classes[name.owner]}.{word}" if name.owner in self._classes else self._outside(name)

    def _outside(self, name: Named) -> str:
        """Write out a type of the world itself, which has no class to stand in."""
        target = self._wit.definition(name).target
        return "object" if target is None else self.type(target)

    def _compound(self, given: Compound, *, parameter: bool) -> str:
        words = [None if part is None else self.type(part, parameter=parameter) for part in given.arguments]
        first = words[0] if words else None
        if given.kind == "option":
            return f"Some[{first}] | None" if self._is_option(given.arguments[0]) else f"{first} | None"
        if given.kind == "result":
            return f"Ok[{words[0]}] | Err[{words[1]}]"
        if given.kind in {"stream", "future"}:
            return self._passing(given, parameter=parameter)
        if given.kind in {"own", "borrow"}:
            return str(first)
        if given.kind == "map":
            return "Never"
        name = "tuple" if given.kind == "tuple" else "Sequence" if parameter else "list"
        return f"{name}[{', '.join(str(word) for word in words)}]"

    def _passing(self, given: Compound, *, parameter: bool) -> str:
        """Write a stream or a future; only those of WIT's own types can cross."""
        carried = given.arguments[0] if given.arguments else None
        final = None if carried is None else self._wit.resolved(carried)
        if not isinstance(final, Primitive) or final.name == "error-context":
            return "Never"
        word = self.type(final)
        if given.kind == "future":
            if parameter:
                return f"concurrent.futures.Future[{word}] | {word}" + (
                    "" if self._sync else f" | Awaitable[{word}]"
                )
            return f"streams.{'BlockingFuture' if self._sync else 'Future'}[{word}]"
        is_bytes = final.name == "u8"
        word = "bytes" if is_bytes else word
        if not parameter:
            return f"streams.{'BlockingStream' if self._sync else 'Stream'}[{word}]"
        ways = [f"Iterable[{word}]"] + ([] if self._sync else [f"AsyncIterable[{word}]"])
        return " | ".join([*ways, *([_BUFFERS] if is_bytes else [])])

    def _is_option(self, given: Type | None) -> bool:
        final = None if given is None else self._wit.resolved(given)
        return isinstance(final, Compound) and final.kind == "option"

    def _definition(self, definition: Definition, owner: str, below: list[Function]) -> list[str]:
        name = type_name(definition.name)
        docs = self.docs(definition.docs, " " * 8) if definition.docs else []
        match definition.kind:
            case "record":
                return [*_dataclass(name), *docs, *self._fields(definition.members, docs)]
            case "variant":
                return self._variant(name, owner, definition.members)
            case "enum":
                cases = [
                    f"        {case_name(member.name)} = {number}"
                    for number, member in enumerate(definition.members)
                ]
                return [f"    class {name}(Enum):", *docs, *cases]
            case "flags":
                cases = [
                    f"        {case_name(member.name)} = {1 << bit}"
                    for bit, member in enumerate(definition.members)
                ]
                return [f"    class {name}(Flag):", *docs, *cases]
            case "resource":
                return [f"    class {name}:", *docs, *self._resource(f"{owner}.{name}", below)]
            case "alias":
                target = definition.target
                return [f"    {name}: TypeAlias = {self.type(target)}"] if target is not None else []

    def _fields(self, members: Iterable[Member], docs: list[str]) -> list[str]:
        lines = [
            f"        {value_name(member.name)}: {self.type(member.type)}"
            for member in members
            if member.type is not None
        ]
        return lines or ([] if docs else ["        ..."])

    def _variant(self, name: str, owner: str, members: Iterable[Member]) -> list[str]:
        lines: list[str] = []
        cases = [(f"{name}_{type_name(member.name)}", member.type) for member in members]
        for word, payload in cases:
            body = "..." if payload is None else f"value: {self.type(payload)}"
            lines += [*_dataclass(word), f"        {body}", ""]
        union = " | ".join(f"{owner}.{word}" for word, _ in cases)
        return [*lines, f"    {name}: TypeAlias = {union}"]

    def _resource(self, name: str, functions: list[Function]) -> list[str]:
        lines: list[str] = []
        for function in functions:
            lines += ["", *self._function(function, " " * 8, owner=name)]
        return [*lines, "", *self._closing()]

    def _closing(self) -> list[str]:
        word, mark = ("", "") if self._sync else ("async ", "a")
        return [
            f"        {word}def close(self) -> None: ...",
            f"        {word}def __{mark}enter__(self) -> Self: ...",
            f"        {word}def __{mark}exit__(self, *error: object) -> None: ...",
        ]

    def _function(
        self, function: Function, indent: str, *, implemented: bool = False, owner: str = ""
    ) -> list[str]:
        """Write one function. What goes into it is wide if we call it, what comes out is wide if we implement it."""
        given = function.parameters[1:] if function.kind == "method" else function.parameters
        parameters = [
            f"{value_name(member.name)}: {self.type(member.type, parameter=not implemented)}"
            for member in given
            if member.type is not None
        ]
        first, mark = "self", []
        if function.kind == "constructor":
            first, mark = "cls", [f"{indent}@classmethod"]
        elif function.kind == "static":
            first, mark = "", [f"{indent}@staticmethod"]
        name = "new" if function.kind == "constructor" else value_name(function.item_name)
        result = (
            owner
            if function.kind == "constructor"
            else self._result(function.result, implemented=implemented)
        )
        words = ", ".join(word for word in (first, *parameters) if word)
        start = "def" if self._sync or implemented else "async def"
        head = f"{indent}{start} {name}({words}) -> {result}:"
        if not function.docs:
            return [*mark, f"{head} ..."]
        return [*mark, head, *self.docs(function.docs, f"{indent}    ")]

    def _result(self, given: Type | None, *, implemented: bool) -> str:
        """Write what comes back: of a `result` the value, for the rest is raised; who implements may return an awaitable."""
        final = None if given is None else self._wit.resolved(given)
        if isinstance(final, Compound) and final.kind == "result":
            given = final.arguments[0]
        word = "None" if given is None else self.type(given, parameter=implemented)
        return f"{word} | Awaitable[{word}]" if implemented and not self._sync else word


def _dataclass(name: str) -> list[str]:
    return ["    @dataclass(frozen=True)", f"    class {name}:"]
