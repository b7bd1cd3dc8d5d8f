"""The load generators of the benchmark tell a good answer from any other, and see what clients would have waited.

They are compiled when they are needed, in the folder where the benchmark compiles them.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from harness import native
from harness.native import Seen
from harness.servers import MeasurementError

pytestmark = pytest.mark.timeout(900)

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, world!\r\n0\r\n\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\nHello, world!"
WRONG = {
    "another body": b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!",
    "half of the body": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nHello,",
    "another status": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 13\r\n\r\nHello, world!",
    "no HTTP": b"go away\r\n\r\n",
    "nothing": b"",
}
ENDING = {CLOSED, WRONG["no HTTP"], WRONG["nothing"]}
"""After these the server ends the connection."""

WRONG_ONCE = 20
"""The request that is answered wrongly; all others are answered well."""

Answer = Callable[[], Coroutine[None, None, bytes]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """Serve what a function says, and give the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            said = await answer()
            writer.write(said)
            await writer.drain()
            if said in ENDING:
                break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def always(said: bytes) -> Answer:
    async def answer() -> bytes:
        return said

    return answer


def once(said: bytes) -> Answer:
    count = 0

    async def answer() -> bytes:
        nonlocal count
        count += 1
        return said if count == WRONG_ONCE else GOOD

    return answer


async def closed_loop(port: int, *, awake: bool = False) -> Seen:
    return await asyncio.to_thread(native.closed_loop, [port], 1, 4, awake=awake)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    native.program("closed-loop")


@pytest.mark.parametrize("said", [GOOD, CHUNKED, CLOSED], ids=["counted", "chunked", "closed"])
async def test_the_greeting_is_good_in_every_form_that_servers_give_it(said: bytes) -> None:
    async with serving(always(said)) as port:
        seen = await closed_loop(port)

    assert seen.requests > WRONG_ONCE
    assert seen.failures == 0
    assert seen.latencies_ms == sorted(seen.latencies_ms)


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG.keys())
async def test_one_wrong_answer_among_many_good_ones_voids_the_measurement(said: bytes) -> None:
    async with serving(once(said)) as port:
        with pytest.raises(MeasurementError, match=r"^void: 1 of [\d,]+ requests failed$"):
            await closed_loop(port)


async def test_a_server_that_is_gone_is_told() -> None:
    async with serving(always(GOOD)) as port:
        pass

    with pytest.raises(MeasurementError, match="refused"):
        await closed_loop(port)


async def test_a_generator_that_is_awake_does_not_sleep_while_it_waits_for_answers() -> None:
    async def late() -> bytes:
        await asyncio.sleep(0.1)
        return GOOD

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    async with serving(late) as port:
        began = used()
        seen = await closed_loop(port)
        asleep, began = used() - began, used()
        also_seen = await closed_loop(port, awake=True)
        awake = used() - began

    assert 0 < also_seen.requests <= seen.requests + 4
    assert awake > 5 * asleep


async def test_the_connections_are_split_between_the_ports() -> None:
    counts = [0, 0]

    def counting(index: int) -> Answer:
        async def answer() -> bytes:
            counts[index] += 1
            return GOOD

        return answer

    async with serving(counting(0)) as one, serving(counting(1)) as two:
        seen = await asyncio.to_thread(native.closed_loop, [one, two], 1, 4)

    assert min(counts) > 0
    assert sum(counts) == seen.requests


async def test_who_waits_because_the_server_stalled_is_counted_in_an_open_loop_and_forgotten_in_a_closed_one() -> (
    None
):
    stalls = 0.5

    def stalling() -> Answer:
        """Answer at once, but for half a second from the first answer in the second second."""
        began, until = asyncio.get_running_loop().time(), None

        async def answer() -> bytes:
            nonlocal until
            now = asyncio.get_running_loop().time()
            if until is None and now - began > 1.5:
                until = now + stalls
            if until is not None and now < until:
                await asyncio.sleep(until - now)
            return GOOD

        return answer

    async with serving(stalling()) as port:
        opened = await asyncio.to_thread(native.open_loop, [port], 200, 2, 4)
    async with serving(stalling()) as port:
        closed = await asyncio.to_thread(native.closed_loop, [port], 3, 4)

    assert latency(opened, 90.0) > 100, (
        "a quarter of what was due in two seconds was due while the server stalled"
    )
    assert latency(closed, 90.0) < 100, "only the requests that were under way waited"
    assert opened.most_ms >= 1000 * stalls * 0.9
    assert closed.most_ms >= 1000 * stalls * 0.9
    assert opened.requests == pytest.approx(400, abs=8)
    assert opened.asked == pytest.approx(600, abs=12)


def latency(seen: Seen, percentile: float) -> float:
    return dict(zip(seen.percentiles, seen.latencies_ms, strict=True))[percentile]
