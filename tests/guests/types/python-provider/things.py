"""The resources: componentize-py looks for their classes in a module that is called like the interface."""

import weakref
from typing import Self

from wit_world.exports import things

from componentize_py_types import Err

LIVE = weakref.WeakSet()
WORD = 1 << 32


class Counter(things.Counter):
    def __init__(self, start: int) -> None:
        self.count = start % WORD
        LIVE.add(self)

    def add(self, amount: int) -> int:
        self.count = (self.count + amount) % WORD
        return self.count

    def value(self) -> int:
        return self.count

    @classmethod
    def joined(cls, first: Self, second: Self) -> Self:
        return cls(first.count + second.count)

    @classmethod
    def sum(cls, those: list[Self]) -> int:
        return sum(each.count for each in those) % WORD


def split(counter: Counter) -> tuple[Counter, Counter]:
    half, rest = divmod(counter.count, 2)
    if rest:
        raise Err(counter)
    return Counter(half), Counter(half)
