"""Values of any WIT type, from what a loaded component says of its types."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as some

from wisp import Err, Ok, Some

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wisp.host.embed.component import Binding
    from wisp.host.embed.description import Definition, Function, TypeUse

Strategy = some.SearchStrategy[Any]

EXAMPLES = int(os.environ.get("WISP_TEST_EXAMPLES", "6"))
"""Values for each function, each way."""

LONG = 3000
"""Characters, or bytes: more than fits into any buffer on the way."""


def _integers() -> dict[str, Strategy]:
    made: dict[str, Strategy] = {}
    for bits in (8, 16, 32, 64):
        made[f"u{bits}"] = some.integers(0, 2**bits - 1)
        made[f"s{bits}"] = some.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return made


CHARACTERS = some.characters(codec="utf-8")
PRIMITIVES: dict[str, Strategy] = {
    **_integers(),
    "bool": some.booleans(),
    "f32": some.floats(width=32),
    "f64": some.floats(),
    "char": CHARACTERS,
    "string": some.text(CHARACTERS, max_size=20)
    | some.builds(operator.mul, some.text(CHARACTERS, min_size=1, max_size=3), some.just(LONG // 3)),
}
BYTES = some.binary(max_size=20) | some.builds(
    operator.mul, some.binary(min_size=1, max_size=3), some.just(LONG)
)


class Values:
    """The values of one component's types."""

    def __init__(self, binding: Binding) -> None:
        self._world = binding.world
        self._classes = binding.made
        self._made: dict[int, Strategy] = {}

    def function(self, interface: str, name: str) -> Function:
        """Return what is known of an exported function."""
        [exported] = [each for each in self._world.exports if each.name == interface]
        return next(function for function in exported.functions if function.name == name)

    def is_result(self, use: TypeUse | None) -> bool:
        """Say whether a type is a `result`."""
        definition = self._world.definition(use)
        return definition is not None and definition.kind == "result"

    def arguments(self, function: Function) -> Strategy:
        """Return arguments for a function."""
        return some.tuples(*(self.of(use) for _, use in function.parameters))

    def of(self, use: TypeUse | None) -> Strategy:
        """Return values of a type; without a type, None."""
        if use is None:
            return some.none()
        if isinstance(use, str):
            return PRIMITIVES[use]
        if use not in self._made:
            definition = self._world.types[use]
            self._made[use] = getattr(self, f"_{definition.kind}")(definition, use)
        return self._made[use]

    def _list(self, definition: Definition, _: int) -> Strategy:
        item = definition.of["item"]
        return BYTES if item == "u8" else some.lists(self.of(item), max_size=4)

    def _tuple(self, definition: Definition, _: int) -> Strategy:
        return some.tuples(*map(self.of, definition.of["items"]))

    def _record(self, definition: Definition, use: int) -> Strategy:
        return some.builds(self._classes.of(use), *(self.of(part) for _, part in definition.parts))

    def _variant(self, definition: Definition, use: int) -> Strategy:
        cases = zip(self._classes.by_type[use][1], definition.parts, strict=True)
        return one_of(
            some.builds(made, *([] if part is None else [self.of(part)])) for made, (_, part) in cases
        )

    def _enum(self, _: Definition, use: int) -> Strategy:
        return some.sampled_from(list(self._classes.of(use)))

    def _flags(self, definition: Definition, use: int) -> Strategy:
        return some.builds(self._classes.of(use), some.integers(0, 2 ** len(definition.of["flags"]) - 1))

    def _option(self, definition: Definition, _: int) -> Strategy:
        item = definition.of["item"]
        inner = self._world.definition(item)
        full = self.of(item)
        nested = inner is not None and inner.kind == "option"
        return some.none() | (some.builds(Some, full) if nested else full)

    def _result(self, definition: Definition, _: int) -> Strategy:
        return some.builds(Ok, self.of(definition.of["ok"])) | some.builds(Err, self.of(definition.of["err"]))


def one_of(strategies: Iterable[Strategy]) -> Strategy:
    """Return the values of all of them. Unlike hypothesis' own, it takes hundreds."""
    all_of_them = list(strategies)
    return some.integers(0, len(all_of_them) - 1).flatmap(all_of_them.__getitem__)
