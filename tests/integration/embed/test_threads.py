"""Eight threads use one host at once, each checks every answer that it gets; what one has made, another frees."""

from __future__ import annotations

import asyncio
import queue
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from tests.integration.embed.guest import BEHAVE, COUNTERS, ECHO, LOG, RELAY, Log, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Much of it is waiting for each other, which takes long where others want the processors too.
pytestmark = pytest.mark.timeout(300)

THREADS = 8
TURNS = 500


@pytest.fixture(autouse=True)
def _hasty() -> Iterator[None]:
    """Let the interpreter change threads a hundred times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 100)
    yield
    sys.setswitchinterval(interval)


def at_once(work: Callable[[int, random.Random], None]) -> None:
    """Do some work in all threads, which begin together; each has its number, and its own random numbers."""
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> None:
        barrier.wait()
        work(number, random.Random(number))  # noqa: S311 - nothing is secret here

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(run, range(THREADS)))


class Marked(Log):
    """Answers with numbers that no other one answers with."""

    def __init__(self, mark: int) -> None:
        super().__init__()
        self.mark = mark

    def write(self, line: str, level: int) -> int:
        return level * 1000 + self.mark

    def check(self, packet: Any) -> Any:
        if packet.encryption_level != self.mark:
            raise wisp.GuestError("wrong")
        return packet


def texts(echo: Any, number: int, dice: random.Random) -> None:
    text = f"{number}:{dice.random()}" * dice.randrange(1, 200)
    assert echo.text(text) == text


def data(echo: Any, number: int, dice: random.Random) -> None:
    content = bytes([number]) + dice.randbytes(dice.randrange(100_000))
    assert echo.bytes(content) == content


def packets(echo: Any, number: int, dice: random.Random) -> None:
    some = [echo.Packet(str(number), str(dice.random()), turn) for turn in range(dice.randrange(20))]
    assert echo.packets(some) == some


def numbers(echo: Any, number: int, dice: random.Random) -> None:
    some = [number, *(dice.randrange(-(2**31), 2**31) for _ in range(dice.randrange(500)))]
    assert echo.numbers(some) == some


def errors(echo: Any, number: int, dice: random.Random) -> None:
    level = 10 + number * 1000 + dice.randrange(1000)
    with pytest.raises(wisp.GuestError) as caught:
        echo.process(echo.Packet("a", "b", level))
    assert caught.value.value == echo.ProcessError_TooSecret(level)


ASKED = (texts, data, packets, numbers, errors)


def test_each_thread_calls_its_own_instance(loaded: Any) -> None:
    def work(number: int, dice: random.Random) -> None:
        with loaded.instantiate(output=False) as instance:
            for turn in range(TURNS):
                dice.choice(ASKED)(instance[ECHO], number, dice)
                assert instance[BEHAVE].count() == turn + 1

    at_once(work)


def test_all_threads_call_one_instance(blocking: Any) -> None:
    counted: list[int] = []

    def work(number: int, dice: random.Random) -> None:
        for _ in range(TURNS):
            dice.choice(ASKED)(blocking[ECHO], number, dice)
            counted.append(blocking[BEHAVE].count())
            with blocking[COUNTERS].Counter.new(number) as counter:
                assert counter.add(1) == number + 1

    at_once(work)

    assert sorted(counted) == list(range(1, THREADS * TURNS + 1))
    assert blocking[COUNTERS].live() == 0


def test_components_are_loaded_and_dropped_while_others_are_called() -> None:
    with wisp.sync.Host() as host:

        def work(number: int, dice: random.Random) -> None:
            for turn in range(TURNS // 20):
                mark = number * 100 + turn
                loaded = host.load(values(), imports={LOG: Marked(mark)})
                instances = [loaded.instantiate(output=False) for _ in range(3)]
                for instance in instances:
                    instance.__enter__()
                del loaded
                for instance in dice.sample(instances, 3):
                    checked(instance, mark)
                    dice.choice(ENDS)(instance)

        at_once(work)


def checked(instance: Any, mark: int) -> None:
    """See that this instance's imports are answered by its own answers."""
    packet = instance[ECHO].Packet("a", "b", mark)
    assert instance[RELAY].write("", 7) == 7000 + mark
    assert instance[RELAY].check(packet) == packet
    assert instance[RELAY].repeat(3) == 3000 + 3 * mark


def closed(instance: Any) -> None:
    instance.close()
    with pytest.raises(wisp.InstanceClosed):
        instance[ECHO].text("x")


def trapped(instance: Any) -> None:
    with pytest.raises(wisp.Trap):
        instance[BEHAVE].divide(0)
    assert instance.closed


def forgotten(instance: Any) -> None:
    assert not instance.closed


ENDS = (closed, trapped, forgotten)


def test_what_one_thread_made_is_used_and_freed_by_another(loaded: Any) -> None:
    ring: list[queue.SimpleQueue[tuple[Any, Any, int]]] = [queue.SimpleQueue() for _ in range(THREADS)]

    def work(number: int, dice: random.Random) -> None:
        for turn in range(TURNS):
            instance = loaded.instantiate(output=False)
            instance.__enter__()
            counter = instance[COUNTERS].Counter.new(number)
            ring[(number + 1) % THREADS].put((instance, counter, number))
            del instance, counter
            used, held, start = ring[number].get(timeout=240)
            assert held.add(turn) == start + turn
            dice.choice(ASKED)(used[ECHO], number, dice)
            if dice.random() < 0.5:
                held.close()
            if dice.random() < 0.5:
                used.close()

    at_once(work)


def test_an_instance_that_is_closed_meanwhile_answers_right_or_says_so(loaded: Any) -> None:
    for _ in range(20):
        with loaded.instantiate(output=False) as instance:
            closed_meanwhile(instance)


def closed_meanwhile(instance: Any) -> None:
    answered = threading.Semaphore(0)

    def ask_for_ever(number: int, dice: random.Random) -> None:
        while True:
            texts(instance[ECHO], number, dice)
            answered.release()

    def work(number: int, dice: random.Random) -> None:
        if number:
            with pytest.raises(wisp.InstanceClosed):
                ask_for_ever(number, dice)
            return
        for _ in range(2 * THREADS):
            answered.acquire()
        instance.close()

    at_once(work)

    assert instance.closed


def test_each_thread_has_an_event_loop_of_its_own() -> None:
    async def use(loaded: Any, number: int, dice: random.Random) -> None:
        async def call(turn: int) -> None:
            text = f"{number}:{turn}" * dice.randrange(1, 50)
            async with loaded.instantiate(output=False) as own:
                assert {*await asyncio.gather(own[ECHO].text(text), shared[ECHO].text(text))} == {text}
                assert await own[RELAY].write("", turn) == turn + 1

        async with loaded.instantiate(output=False) as shared:
            await asyncio.gather(*(call(turn) for turn in range(TURNS)))

    host = wisp.Host()
    loaded = asyncio.run(host.load(values(), imports={LOG: Log()}))
    at_once(lambda number, dice: asyncio.run(use(loaded, number, dice)))
    host.close()
