"""Does things with the counters of another component."""

from collections.abc import Sequence

from wit_world.exports import keeping
from wit_world.imports.things import Counter

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import things


class Keeping(exports.Keeping):
    def run(self, steps: Sequence[keeping.Step]) -> list[tuple[int, int]]:
        kept = Kept()
        given = [(kept.take(step), things.live()) for step in steps]
        for counter in kept.counters:
            counter.__exit__(None, None, None)
        return given


class Kept:
    def __init__(self) -> None:
        self.counters: list[Counter] = []

    def take(self, step: keeping.Step) -> int:
        """Return what one step gives. A step that needs a counter, where there is none, gives 0."""
        name = type(step).__name__.removeprefix("Step_").lower()
        if not self.counters and name not in {"make", "sum"}:
            return 0
        given = getattr(step, "value", ())
        return getattr(self, f"do_{name}")(*(given if isinstance(given, tuple) else (given,)))

    def do_make(self, start: int) -> int:
        return self.keep(Counter(start))

    def do_add(self, which: int, amount: int) -> int:
        return self.at(which).add(amount)

    def do_value(self, which: int) -> int:
        return self.at(which).value()

    def do_joined(self, first: int, second: int) -> int:
        counter = self.remove(first)
        return self.keep(Counter.joined(counter, self.at(second)) if self.counters else counter)

    def do_sum(self) -> int:
        return Counter.sum(self.counters)

    def do_pass(self, which: int) -> int:
        return self.keep(things.pass_(self.remove(which)))

    def do_split(self, which: int) -> int:
        try:
            return sum(map(self.keep, things.split(self.remove(which))))
        except Err as whole:
            return self.keep(whole.value)

    def do_drop(self, which: int) -> int:
        with self.remove(which):
            return int(things.pass_(None) is not None)

    def at(self, which: int) -> Counter:
        return self.counters[which % len(self.counters)]

    def remove(self, which: int) -> Counter:
        return self.counters.pop(which % len(self.counters))

    def keep(self, counter: Counter) -> int:
        self.counters.append(counter)
        return counter.value()
