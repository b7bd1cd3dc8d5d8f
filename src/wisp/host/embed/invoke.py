"""One call of one export, with arguments and result as text."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wisp.errors import ComponentError, GuestError, TypeMismatch
from wisp.host.embed import names
from wisp.host.embed.interfaces import find_name
from wisp.host.embed.text import Texts, plain
from wisp.host.embed.wave import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wisp.host.embed.component import Binding, BlockingComponent, BlockingInstance
    from wisp.host.embed.description import Function, TypeUse

__all__ = ["Invocation"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """A function of a component, with the arguments of one call."""

    interface: str
    function: Function
    arguments: tuple[Any, ...]
    texts: Texts

    @classmethod
    def of(cls, component: BlockingComponent, what: str, words: Sequence[str]) -> Invocation:
        """Read what is to be called, `INTERFACE.FUNCTION`, and the arguments in WAVE or JSON.

        Raises:
            LinkError, ComponentError: there is no such function.
            TypeMismatch: the arguments are not those that it takes.

        """
        binding = component.binding
        interface, function = _find(binding, what)
        if len(words) != len(function.parameters):
            wanted = ", ".join(name for name, _ in function.parameters) or "no arguments"
            message = f"{function.name} takes {wanted}; {len(words)} were given"
            raise TypeMismatch(message)
        texts = Texts(binding.world, binding.made)
        arguments = tuple(
            _argument(texts, function.name, parameter, word)
            for parameter, word in zip(function.parameters, words, strict=True)
        )
        return cls(interface, function, arguments, texts)

    def run(self, instance: BlockingInstance, *, as_json: bool) -> str | None:
        """Call it and return its result as text; None when it has none.

        Raises:
            GuestError: it answered with an error; the value is text, too.
            CallError: it did not end well.

        """
        result = self.texts.result(self.function)
        try:
            value = getattr(instance[self.interface], names.attribute(self.function.name))(*self.arguments)
        except GuestError as error:
            said = self._text(result.err, error.value, as_json=as_json)
            raise GuestError(said, self.function.name) from None
        return None if result.ok is None else self._text(result.ok, value, as_json=as_json)

    def _text(self, use: TypeUse | None, value: object, *, as_json: bool) -> str | None:
        if use is None:
            return None
        if as_json:
            return json.dumps(plain(self.texts.data(use, value)), ensure_ascii=False)
        return self.texts.wave(use, value)


def _argument(texts: Texts, function: str, parameter: tuple[str, TypeUse], word: str) -> object:
    name, use = parameter
    try:
        return texts.value(use, parse(word))
    except TypeMismatch as error:
        message = f"{function}: {name}: {error.message}"
        raise TypeMismatch(message, hint=error.hint) from None


def _find(binding: Binding, what: str) -> tuple[str, Function]:
    exported = {interface.name: interface for interface in binding.world.exports}
    name, dot, function = what.rpartition(".")
    if dot and name.partition("@")[2].count(".") == 1 and function.isdecimal():
        # `ns:pkg/interface@1.2.3` alone: its last dot is the version's.
        name, function = what, ""
    interface = exported[find_name(list(exported), name)]
    for each in interface.functions:
        if each.role == "function" and each.name == function:
            return interface.name, each
    known = [each.name for each in interface.functions if each.role == "function"]
    near = difflib.get_close_matches(function, known, n=1)
    message = f"`{interface.name or 'the world'}` has no function `{function}`"
    hint = (
        f"did you mean `{near[0]}`?"
        if near
        else f"it has {', '.join(known) or 'none that can be called alone'}"
    )
    raise ComponentError(message, hint=hint)
