"""Resources, owned and borrowed, of a guest in Rust and one in Python: used by Python, and by a guest in the other language.

What is done with them is generated, and compared with a model that has numbers instead of resources. componentize-py
0.25 never frees the object of a resource that was dropped, so how many live is compared for the provider in Rust only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import wisp
import wisp.sync
from tests.integration.round_trip import ways
from tests.integration.round_trip.strategies import EXAMPLES
from wisp.host.embed.names import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.integration.round_trip.ways import Language

# The first run of all builds and compiles the guests.
pytestmark = pytest.mark.timeout(900)

WORD = 1 << 32
Step = tuple[Any, ...]
NUMBER = some.integers(0, WORD - 1)
PLACE = some.integers(0, 5)
STEPS = some.lists(
    some.tuples(some.just("make"), NUMBER)
    | some.tuples(some.just("add"), PLACE, NUMBER)
    | some.tuples(some.just("joined"), PLACE, PLACE)
    | some.tuples(some.sampled_from(["value", "pass", "split", "drop"]), PLACE)
    | some.just(("sum",)),
    max_size=25,
)


class Model:
    """What each step gives, with numbers for counters. A step that needs one, where there is none, gives 0."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def take(self, step: Step) -> int:
        name, *given = step
        if not self.kept and name not in {"make", "sum"}:
            return 0
        return int(getattr(self, attribute(name))(*given))

    def make(self, start: int) -> int:
        return self.keep(start)

    def sum(self) -> int:
        return int(sum(self.kept)) % WORD

    def add(self, which: int, amount: int) -> int:
        place = which % len(self.kept)
        self.kept[place] = (self.kept[place] + amount) % WORD
        return int(self.kept[place])

    def value(self, which: int) -> int:
        return int(self.at(which))

    def joined(self, first: int, second: int) -> int:
        number = self.remove(first)
        return self.keep((number + self.at(second)) % WORD if self.kept else number)

    def pass_(self, which: int) -> int:
        return self.keep(self.remove(which))

    def split(self, which: int) -> int:
        number = self.remove(which)
        if number % 2:
            return self.keep(number)
        return self.keep(number // 2) + self.keep(number // 2)

    def drop(self, which: int) -> int:
        self.remove(which)
        return 0

    def at(self, which: int) -> Any:
        return self.kept[which % len(self.kept)]

    def remove(self, which: int) -> Any:
        return self.kept.pop(which % len(self.kept))

    def keep(self, number: Any) -> int:
        self.kept.append(number)
        return int(number)


class Held(Model):
    """The same with the resources of a guest."""

    def __init__(self, things: Any) -> None:
        super().__init__()
        self.things = things

    def make(self, start: int) -> int:
        return self.keep(self.things.Counter.new(start))

    def sum(self) -> int:
        return int(self.things.Counter.sum(self.kept))

    def add(self, which: int, amount: int) -> int:
        return int(self.at(which).add(amount))

    def value(self, which: int) -> int:
        return int(self.at(which).value())

    def joined(self, first: int, second: int) -> int:
        counter = self.remove(first)
        return self.keep(self.things.Counter.joined(counter, self.at(second)) if self.kept else counter)

    def pass_(self, which: int) -> int:
        return self.keep(self.things.pass_(self.remove(which)))

    def split(self, which: int) -> int:
        try:
            first, second = self.things.split(self.remove(which))
        except wisp.GuestError as error:
            return self.keep(error.value)
        return self.keep(first) + self.keep(second)

    def drop(self, which: int) -> int:
        with self.remove(which):
            return int(self.things.pass_(None) is not None)

    def keep(self, counter: Any) -> int:
        self.kept.append(counter)
        return int(counter.value())


def modelled(steps: Sequence[Step], provider: Language) -> list[tuple[int, int | None]]:
    """Return what each step gives, and how many counters live then, if the provider knows."""
    model = Model()
    return [(model.take(step), len(model.kept) if provider == "rust" else None) for step in steps]


def known(live: int, provider: Language) -> int | None:
    return live if provider == "rust" else None


@pytest.fixture(scope="module", params=ways.OTHER)
def things(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Language]]:
    provider: Language = request.param
    with (
        wisp.sync.Host() as host,
        host.load(ways.guest(provider, "provider")).instantiate(limits=ways.LIMITS) as made,
    ):
        yield made[ways.THINGS], provider


@settings(max_examples=4 * EXAMPLES)
@given(steps=STEPS)
def test_python_uses_the_resources_of_a_guest(things: tuple[Any, Language], steps: list[Step]) -> None:
    interface, provider = things
    held = Held(interface)

    given = [(held.take(step), known(interface.live(), provider)) for step in steps]
    for counter in held.kept:
        counter.close()

    assert given == modelled(steps, provider)
    assert not known(interface.live(), provider)


@pytest.fixture(scope="module", params=ways.OTHER)
def keeping(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Language]]:
    language: Language = request.param
    with wisp.sync.Host() as host:
        composed = host.load(ways.composed(language, "keeper", ways.THINGS))
        with composed.instantiate(limits=ways.LIMITS) as made:
            yield made[ways.KEEPING], ways.OTHER[language]


@settings(max_examples=4 * EXAMPLES)
@given(steps=STEPS)
def test_a_guest_uses_the_resources_of_another_that_it_is_fused_with(
    keeping: tuple[Any, Language], steps: list[Step]
) -> None:
    interface, provider = keeping

    def case(step: Step) -> Any:
        name, *given = step
        made = getattr(interface, f"Step_{name.capitalize()}")
        return made(*([tuple(given)] if len(given) == 2 else given))

    given = [(value, known(live, provider)) for value, live in interface.run([case(step) for step in steps])]

    assert given == modelled(steps, provider)
