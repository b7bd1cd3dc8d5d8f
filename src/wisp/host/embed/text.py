"""Python's values from trees of text, and text from Python's values, by WIT type."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wisp.errors import TypeMismatch
from wisp.host.embed.names import constant
from wisp.host.embed.wave import Case, Character, Flags, Number, Tuple
from wisp.wit.values import Err, Ok, Some

if TYPE_CHECKING:
    from wisp.host.embed.classes import Classes
    from wisp.host.embed.description import Definition, Function, TypeUse, World
    from wisp.host.embed.wave import Tree

__all__ = ["Texts", "plain"]

_INTEGERS = frozenset({"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"})


@dataclass(frozen=True, slots=True)
class Result:
    """The types of what a function gives and raises."""

    ok: TypeUse | None
    err: TypeUse | None


class Texts:
    """Reads and writes the values of one component."""

    def __init__(self, world: World, classes: Classes) -> None:
        self._world = world
        self._classes = classes

    def result(self, function: Function) -> Result:
        """Return the types of what a function gives and raises."""
        definition = self._world.definition(function.result)
        if definition is not None and definition.kind == "result":
            return Result(definition.of["ok"], definition.of["err"])
        return Result(function.result, None)

    def value(self, use: TypeUse, tree: Tree) -> Any:  # noqa: ANN401 - of the type that is asked for
        """Return the value that a tree stands for.

        Raises:
            TypeMismatch: it does not stand for one of this type.

        """
        definition = self._world.definition(use)
        if definition is None:
            return _primitive(str(use), tree)
        reader = getattr(self, f"_read_{definition.kind.replace('-', '_')}", None)
        if reader is None:
            message = f"a {definition.kind} cannot be written as text"
            raise TypeMismatch(message)
        return reader(definition, use, tree)

    def _read_record(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        fields = {} if tree == Flags(()) else tree
        if not isinstance(fields, dict):
            raise _expected(" ".join(("record", definition.name or "")), tree)
        known = dict(definition.parts)
        if unknown := fields.keys() - known:
            message = f"record {definition.name} has no field `{min(unknown)}`; it has {', '.join(known)}"
            raise TypeMismatch(message)
        values = [self._field(definition, name, of, fields) for name, of in definition.parts]
        return self._made(use)(*values)

    def _field(self, definition: Definition, name: str, of: TypeUse | None, fields: dict[str, Tree]) -> Any:  # noqa: ANN401
        of = of if of is not None else "bool"
        if name in fields:
            return self.value(of, fields[name])
        kind = self._world.definition(of)
        if kind is not None and kind.kind == "option":
            return None
        message = f"record {definition.name} lacks the field `{name}`"
        raise TypeMismatch(message)

    def _read_variant(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        case = _case(tree, f"variant {definition.name}")
        for place, (name, of) in enumerate(definition.parts):
            if name == case.name:
                made = self._classes.by_type[use][1][place]
                return made() if of is None else made(self.value(of, _payload(case)))
        known = ", ".join(name for name, _ in definition.parts)
        message = f"variant {definition.name} has no case `{case.name}`; it has {known}"
        raise TypeMismatch(message)

    def _read_enum(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        name = tree if isinstance(tree, str) else _case(tree, f"enum {definition.name}").name
        if name in definition.of["cases"]:
            return self._made(use)[constant(name)]
        message = f"enum {definition.name} has no case `{name}`; it has {', '.join(definition.of['cases'])}"
        raise TypeMismatch(message)

    def _read_flags(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        given = list(tree.names) if isinstance(tree, Flags) else tree
        if not isinstance(given, list):
            raise _expected(" ".join(("flags", definition.name or "")), tree)
        made = self._made(use)
        value = made(0)
        for name in given:
            if name not in definition.of["flags"]:
                message = (
                    f"flags {definition.name} has no `{name}`; it has {', '.join(definition.of['flags'])}"
                )
                raise TypeMismatch(message)
            value |= made[constant(str(name))]
        return value

    def _read_tuple(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        del use
        types = definition.of["items"]
        items = tree.items if isinstance(tree, Tuple) else tree
        if not isinstance(items, list | tuple) or len(items) != len(types):
            raise _expected("tuple of " + str(len(types)), tree)
        return tuple(self.value(of, item) for of, item in zip(types, items, strict=True))

    def _read_list(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        del use
        of = definition.of["item"]
        if of == "u8" and isinstance(tree, str):
            return tree.encode()
        if not isinstance(tree, list):
            raise _expected("list", tree)
        values = [self.value(of, item) for item in tree]
        if of != "u8":
            return values
        try:
            return bytes(values)
        except ValueError:
            message = "a number in a list of u8 does not fit u8, which is 0 to 255"
            raise TypeMismatch(message) from None

    def _read_option(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        del use
        if isinstance(tree, Case) and tree.name in {"none", "null"} and tree.payload is None:
            return None
        of = definition.of["item"]
        inner = self._world.definition(of)
        given = tree.payload if isinstance(tree, Case) and tree.name == "some" and tree.payload else tree
        value = self.value(of, given)
        return Some(value) if inner is not None and inner.kind == "option" else value

    def _read_result(self, definition: Definition, use: int, tree: Tree) -> Any:  # noqa: ANN401
        del use
        case = _case(tree, "result")
        if case.name not in {"ok", "err"}:
            raise _expected("result: ok or err", tree)
        of = definition.of[case.name]
        made = Ok if case.name == "ok" else Err
        return made(None) if of is None else made(self.value(of, _payload(case)))

    def _made(self, use: int) -> Any:  # noqa: ANN401 - a class
        return self._classes.of(use)

    def wave(self, use: TypeUse | None, value: Any) -> str:  # noqa: ANN401 - of that type
        """Return a value as WAVE."""
        return _wave(self.data(use, value))

    def data(self, use: TypeUse | None, value: Any) -> Any:  # noqa: ANN401 - of that type
        """Return a value as a tree; `json.dumps` with `plain` of it is JSON."""
        definition = self._world.definition(use)
        if definition is None:
            return Character(value) if use == "char" else value
        writer = getattr(self, f"_write_{definition.kind}", None)
        return Case(definition.name or definition.kind, None) if writer is None else writer(definition, value)

    def _write_record(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        parts = [getattr(value, name) for name in value.__dataclass_fields__]
        return {name: self.data(of, part) for (name, of), part in zip(definition.parts, parts, strict=True)}

    def _write_variant(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        place = self._world.types.index(definition)
        for (name, of), made in zip(definition.parts, self._classes.by_type[place][1], strict=True):
            if type(value) is made:
                return Case(name, None if of is None else self.data(of, value.value))
        return Case("unknown", None)

    def _write_enum(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        del definition
        return Case(value.value, None)

    def _write_flags(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        names = definition.of["flags"]
        return Flags(tuple(name for place, name in enumerate(names) if value.value >> place & 1))

    def _write_tuple(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        types = definition.of["items"]
        return Tuple(tuple(self.data(of, part) for of, part in zip(types, value, strict=True)))

    def _write_list(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        return [self.data(definition.of["item"], part) for part in value]

    def _write_option(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        if value is None:
            return Case("none", None)
        inner = value.value if isinstance(value, Some) else value
        return Case("some", self.data(definition.of["item"], inner))

    def _write_result(self, definition: Definition, value: Any) -> Any:  # noqa: ANN401
        name = "ok" if isinstance(value, Ok) else "err"
        of = definition.of[name]
        return Case(name, None if of is None else self.data(of, value.value))


def plain(tree: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one line for each kind
    """Return a tree as JSON has it: a case is an object with one key, one without payload its name."""
    match tree:
        case Case("none", None):
            return None
        case Case("some", payload):
            return plain(payload)
        case Case(name, None):
            return name
        case Case(name, payload):
            return {name: plain(payload)}
        case Character(text):
            return text
        case Flags(names):
            return list(names)
        case Tuple(items):
            return [plain(item) for item in items]
        case list():
            return [plain(item) for item in tree]
        case dict():
            return {name: plain(part) for name, part in tree.items()}
    return tree


def _wave(tree: Any) -> str:  # noqa: ANN401, C901, PLR0911, PLR0912 - one line for each kind
    match tree:
        case bool():
            return "true" if tree else "false"
        case Case(name, None):
            return name
        case Case(name, payload):
            return f"{name}({_wave(payload)})"
        case Character(text):
            return (
                "'" + {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(text, text) + "'"
            )
        case Flags(names):
            return "{" + ", ".join(names) + "}"
        case Tuple(items):
            return "(" + ", ".join(map(_wave, items)) + ")"
        case list():
            return "[" + ", ".join(map(_wave, tree)) + "]"
        case dict():
            return "{" + ", ".join(f"{name}: {_wave(part)}" for name, part in tree.items()) + "}"
        case float():
            return repr(tree) if math.isfinite(tree) else str(tree)
    return json.dumps(tree, ensure_ascii=False)


def _primitive(name: str, tree: Tree) -> Any:  # noqa: ANN401 - of that type
    match name, tree:
        case "bool", Case("true" | "false" as word, None):
            return word == "true"
        case "string", str():
            return tree
        case "char", Character(text) | str(text):
            return text
        case (("f32" | "f64"), (Number(text) | Case("nan" | "inf" as text, None))):
            return float(text)
        case _, Number(text) if name in _INTEGERS and text.removeprefix("-").isdecimal():
            return int(text)
    raise _expected(name, tree)


def _case(tree: Tree, what: str) -> Case:
    if isinstance(tree, Case):
        return tree
    if isinstance(tree, str):
        return Case(tree, None)
    if isinstance(tree, dict) and len(tree) == 1:
        [(name, payload)] = tree.items()
        return Case(name, payload)
    raise _expected(what, tree)


def _payload(case: Case) -> Tree:
    if case.payload is None:
        message = f"the case `{case.name}` carries a value: {case.name}(...)"
        raise TypeMismatch(message)
    return case.payload


def _expected(what: str, tree: Tree) -> TypeMismatch:
    return TypeMismatch(f"expected {what}, found {_found(tree)}")


def _found(tree: Tree) -> str:
    match tree:
        case Number(text):
            return text
        case str():
            return f"the string {json.dumps(tree)}"
        case Case(name):
            return f"`{name}`"
        case dict():
            return "a record"
        case list():
            return "a list"
    return type(tree).__name__.lower()
