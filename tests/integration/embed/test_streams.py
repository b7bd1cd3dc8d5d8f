"""Streams and futures: between a guest of the asynchronous component model and Python, in all directions."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SOURCE = "test:flows/source@0.1.0"
FLOW = "test:flows/flow"


class Source:
    """Answers the import."""

    async def slow(self, value: int) -> int:
        await asyncio.sleep(0)
        return value + 1

    async def bytes(self, name: str) -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            for letter in name:
                await asyncio.sleep(0)
                yield letter.encode() * 3

        return pieces()

    async def total(self, numbers: Any) -> int:
        return sum([number async for number in numbers])

    async def later(self, value: int) -> Any:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, value * 2)

        async def get() -> int:
            return await future

        return get()


class BlockingSource:
    """Answers it without asyncio."""

    def slow(self, value: int) -> int:
        return value + 1

    def bytes(self, name: str) -> Iterator[bytes]:
        return (letter.encode() * 3 for letter in name)

    def total(self, numbers: Any) -> int:
        return sum(numbers)

    def later(self, value: int) -> Any:
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        future.set_result(value * 2)
        return future


@pytest.fixture
async def flow() -> AsyncIterator[Any]:
    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Source()})
        async with loaded.instantiate(output=False) as instance:
            yield instance[FLOW]


@pytest.fixture
def blocking() -> Iterator[Any]:
    with wisp.sync.Host() as host:
        loaded = host.load(component("flows"), imports={SOURCE: BlockingSource()})
        with loaded.instantiate(output=False) as instance:
            yield instance[FLOW]


async def upto(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def test_a_stream_of_a_guest_is_an_asynchronous_iterator(flow: Any) -> None:
    assert [number async for number in await flow.count(5000)] == list(range(5000))
    assert [number async for number in await flow.count(0)] == []


async def test_a_stream_is_given_as_an_asynchronous_iterator_an_iterable_or_a_list(flow: Any) -> None:
    for given in (upto(5), range(5), [0, 1, 2, 3, 4], (0, 1, 2, 3, 4), await flow.count(5)):
        assert [number async for number in await flow.doubled(given)] == [0, 2, 4, 6, 8]


async def test_a_stream_of_bytes_comes_in_pieces(flow: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"abc" * 1000

    for given in (pieces(), b"abc" * 100_000, bytearray(b"abc" * 100_000), [b"abc" * 1000] * 100):
        found = [piece async for piece in await flow.upper(given)]
        assert all(isinstance(piece, bytes) for piece in found)
        assert b"".join(found) == b"ABC" * 100_000


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        ("booleans", [True, False, True], [False, True, False]),
        ("floats", [1.0, 0.5], [0.5, 0.25]),
        ("texts", ["a", "", "ß" * 1000], ["a!", "!", "ß" * 1000 + "!"]),
    ],
)
async def test_streams_carry_booleans_floats_and_strings(
    flow: Any, function: str, given: list[object], expected: list[object]
) -> None:
    assert [item async for item in await getattr(flow, function)(given)] == expected


async def test_a_stream_is_written_as_fast_as_it_is_read(flow: Any) -> None:
    written = 0

    async def counting() -> AsyncIterator[int]:
        nonlocal written
        while True:
            written += 1
            yield written

    async with await flow.doubled(counting()) as doubled:
        assert [await anext(doubled) for _ in range(10)] == [number * 2 for number in range(1, 11)]
        assert written < 1000


async def test_a_guest_that_reads_no_more_ends_the_generator(flow: Any) -> None:
    left = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 7
        finally:
            left.set()

    assert await flow.first(numbers()) == 7
    await left.wait()


async def test_a_guest_learns_that_nobody_reads_its_stream(flow: Any) -> None:
    async with await flow.endless() as numbers:
        assert await anext(numbers) == 0

    while not await flow.noticed():  # noqa: ASYNC110 - only the guest knows
        await asyncio.sleep(0)


async def test_a_future_of_a_guest_is_awaited_as_often_as_one_likes(flow: Any) -> None:
    later = await flow.later(7)

    assert [await later, await later] == [7, 7]
    assert list(await asyncio.gather(later, later)) == [7, 7]


async def test_a_future_is_given_as_an_awaitable_or_a_value(flow: Any) -> None:
    async def text() -> str:
        await asyncio.sleep(0)
        return "coroutine"

    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "future")

    assert await flow.resolved(text()) == "coroutine"
    assert await flow.resolved(future) == "future"
    assert await flow.resolved("value") == "value"


async def test_streams_and_futures_cross_imports(flow: Any) -> None:
    assert await flow.read("ab") == b"aaabbb"
    assert await flow.sum(100) == 5050
    assert await flow.ask_later(21) == 42


async def test_several_calls_of_one_instance_are_in_progress_at_once() -> None:
    met = asyncio.Barrier(5)

    class Meeting(Source):
        async def slow(self, value: int) -> int:
            await met.wait()
            return value

    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Meeting()})
        async with loaded.instantiate(output=False) as instance:
            answers = await asyncio.gather(*(instance[FLOW].ask(number) for number in range(5)))
    assert answers == list(range(5))


async def test_plain_functions_and_resources_of_such_a_guest_work_too(flow: Any) -> None:
    assert await flow.plain(1) == 2
    async with await flow.Box.new(5) as box:
        assert await box.value() == 5
    with pytest.raises(wisp.TypeMismatch, match="dropped"):
        await box.value()


async def test_an_item_that_does_not_fit_is_refused_before_the_guest_sees_it(flow: Any) -> None:
    with pytest.raises(wisp.TypeMismatch, match=r"stream<u32>: \[1\]: -1 does not fit u32"):
        await flow.doubled([1, -1])
    with pytest.raises(wisp.TypeMismatch, match="doubled: numbers: expected stream<u32>, found int"):
        await flow.doubled(5)
    with pytest.raises(wisp.TypeMismatch, match="expected stream<string>, found str"):
        await flow.texts("abc")
    assert await flow.plain(1) == 2


async def test_what_a_source_raises_ends_the_guest_that_reads_it(flow: Any) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise KeyError("oh")

    numbers = await flow.doubled(failing())
    with pytest.raises(wisp.InstanceClosed):
        async for _ in numbers:
            pass
    with pytest.raises(wisp.InstanceClosed, match=r"the source of a stream raised KeyError\('oh'\)"):
        await flow.plain(1)


async def test_a_stream_whose_guest_traps_ends_with_an_error(flow: Any) -> None:
    numbers = await flow.broken()
    assert await anext(numbers) == 7

    with pytest.raises(wisp.InstanceClosed):
        await anext(numbers)
    with pytest.raises(wisp.InstanceClosed, match="an earlier call ended it"):
        await flow.plain(1)


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        ("pairs", (), r"pairs: a stream<\.\.\.> cannot cross between a guest and Python"),
        ("nothings", ([],), r"nothings: a stream<_> cannot cross between a guest and Python"),
    ],
)
async def test_streams_of_other_types_are_refused_by_name(
    flow: Any, function: str, given: tuple[object, ...], message: str
) -> None:
    with pytest.raises(wisp.TypeMismatch, match=message):
        await getattr(flow, function)(*given)
    assert await flow.plain(1) == 2


async def test_a_trap_ends_all_calls_in_progress() -> None:
    asked = asyncio.Event()

    class Never(Source):
        async def slow(self, value: int) -> int:
            asked.set()
            return await asyncio.Event().wait()

    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Never()})
        async with loaded.instantiate(output=False) as instance:
            waiting = asyncio.create_task(instance[FLOW].ask(1))
            await asked.wait()
            with pytest.raises(wisp.Trap) as caught:
                await instance[FLOW].trap()
            assert "trapped on request" in caught.value.stderr
            with pytest.raises(wisp.Trap):
                await waiting
            assert instance.closed


async def test_a_cancelled_call_ends_the_instance_and_the_coroutine_that_answers_it() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    class Never(Source):
        async def slow(self, value: int) -> int:
            asked.set()
            try:
                return await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Never()})
        async with loaded.instantiate(output=False) as instance:
            waiting = asyncio.create_task(instance[FLOW].ask(1))
            await asked.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await cancelled.wait()
            with pytest.raises(wisp.InstanceClosed, match="a call was cancelled"):
                await instance[FLOW].plain(1)


async def test_a_call_that_takes_too_long_is_stopped_and_others_end_with_it() -> None:
    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Source()})
        async with loaded.instantiate(limits=wisp.Limits(timeout=0.1), output=False) as instance:
            with pytest.raises(wisp.Timeout, match=r"spin: it took longer than 0\.1 s"):
                await instance[FLOW].spin()
            with pytest.raises(wisp.InstanceClosed):
                await instance[FLOW].plain(1)


async def test_a_closed_instance_stops_its_guest(flow: Any) -> None:
    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Source()})
        async with loaded.instantiate(output=False) as instance:
            spinning = asyncio.create_task(instance[FLOW].spin())
            await asyncio.sleep(0)
            await instance.close()
            with pytest.raises(wisp.InstanceClosed):
                await spinning
    assert await flow.plain(1) == 2


def test_without_asyncio_streams_are_iterators_and_futures_have_a_result(blocking: Any) -> None:
    assert list(blocking.count(1000)) == list(range(1000))
    assert list(blocking.doubled(iter(range(100)))) == [number * 2 for number in range(100)]
    assert b"".join(blocking.upper(b"abc")) == b"ABC"
    assert blocking.later(7).result() == 7
    assert blocking.resolved("value") == "value"
    settled: concurrent.futures.Future[str] = concurrent.futures.Future()
    settled.set_result("settled")
    assert blocking.resolved(settled) == "settled"
    with blocking.endless() as numbers:
        assert next(numbers) == 0


def test_without_asyncio_plain_functions_answer_such_a_guest(blocking: Any) -> None:
    assert blocking.ask(1) == 2
    assert blocking.read("ab") == b"aaabbb"
    assert blocking.sum(100) == 5050
    assert blocking.ask_later(21) == 42
    with pytest.raises(wisp.TypeMismatch, match="expected stream<u32>, found async_generator"):
        blocking.doubled(upto(3))


def test_without_asyncio_a_guest_that_reads_no_more_lets_the_thread_end(blocking: Any) -> None:
    def numbers() -> Iterator[int]:
        while True:
            yield 7

    assert blocking.first(numbers()) == 7


async def test_a_mapping_may_give_streams_too() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        pieces: list[bytes] = []
        for piece in pieces:
            yield piece

    source = Source()
    answers = {
        "slow": source.slow,
        "bytes": lambda _: nothing(),
        "total": source.total,
        "later": source.later,
    }
    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: answers})
        async with loaded.instantiate(output=False) as instance:
            assert await instance[FLOW].read("x") == b""


async def test_instances_come_and_go_with_streams_half_read() -> None:
    async with wisp.Host() as host:
        loaded = await host.load(component("flows"), imports={SOURCE: Source()})
        for _ in range(50):
            async with loaded.instantiate(output=False) as instance:
                numbers = await instance[FLOW].endless()
                assert await anext(numbers) == 0
