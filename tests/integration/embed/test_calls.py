"""Calls: awaited, cancelled, failing, from many loops and threads; and what is left of an instance afterwards."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import wisp
import wisp.sync
from tests.integration.embed.guest import BEHAVE, COUNTERS, ECHO, LOG, Log, values


async def test_an_awaited_call_gives_the_result(instance: Any) -> None:
    echo = instance[ECHO]

    done = await echo.process(echo.Packet("a1", "quiet", 7))

    assert done == echo.Packet("a1", "QUIET", 7)


async def test_a_call_is_a_coroutine_for_tasks_groups_and_timeouts(instance: Any) -> None:
    echo = instance[ECHO]

    call = echo.text("x")
    assert isinstance(call, Coroutine)
    assert await asyncio.create_task(call) == "x"
    assert await asyncio.gather(*(echo.unsigned32(number) for number in range(20))) == list(range(20))
    assert await asyncio.wait_for(echo.text("y"), 30) == "y"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(echo.text("z"))
    assert task.result() == "z"


async def test_a_quick_call_does_not_wait_for_the_loop_even_after_a_pause(instance: Any) -> None:
    at_once = 0
    for _ in range(20):
        await asyncio.sleep(0.005)
        others: list[int] = []
        asyncio.get_running_loop().call_soon(others.append, 1)
        await instance[ECHO].text("x")
        at_once += not others

    assert at_once > 0


async def test_a_call_that_was_not_awaited_does_nothing(instance: Any) -> None:
    call = instance[BEHAVE].count()
    call.close()
    del call

    assert await instance[BEHAVE].count() == 1


async def test_a_call_is_awaited_once(instance: Any) -> None:
    call: Awaitable[str] = instance[ECHO].text("x")
    await call

    with pytest.raises(RuntimeError, match="awaited before"):
        await call


async def test_the_error_of_a_result_is_raised_with_its_value(instance: Any) -> None:
    echo = instance[ECHO]

    with pytest.raises(wisp.GuestError) as caught:
        await echo.process(echo.Packet("a1", "x", 11))
    assert caught.value.value == echo.ProcessError_TooSecret(11)
    assert isinstance(caught.value, echo.process.error)

    with pytest.raises(echo.process.error) as empty:
        await echo.process(echo.Packet("a1", "", 0))
    assert empty.value.value == echo.ProcessError_EmptyPayload()
    assert await echo.checked(fail=False) == 7
    with pytest.raises(wisp.GuestError, match="checked answered: it was asked to fail"):
        await echo.checked(fail=True)
    with pytest.raises(wisp.GuestError) as plain:
        await echo.plain(fail=True)
    assert plain.value.value is None


async def test_a_trap_says_what_the_guest_said_and_ends_the_instance(instance: Any) -> None:
    with pytest.raises(wisp.Trap) as caught:
        await instance[BEHAVE].trap("no reason")

    assert "about to trap: no reason" in caught.value.stderr
    assert "unreachable" in caught.value.message
    assert caught.value.backtrace
    assert instance.closed
    with pytest.raises(wisp.InstanceClosed, match="an earlier call ended it"):
        await instance[ECHO].text("x")


async def test_a_fault_of_the_processor_is_a_trap(instance: Any) -> None:
    with pytest.raises(wisp.Trap):
        await instance[BEHAVE].divide(0)


async def test_a_cancelled_call_stops_the_guest_and_ends_the_instance(instance: Any) -> None:
    started = asyncio.Event()

    async def spin() -> None:
        started.set()
        await instance[BEHAVE].spin()

    task = asyncio.create_task(spin())
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(wisp.InstanceClosed, match="cancelled"):
        await instance[ECHO].text("x")


async def test_a_call_that_takes_too_long_is_stopped() -> None:
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: Log()})
        async with loaded.instantiate(limits=wisp.Limits(timeout=0.05), output=False) as made:
            with pytest.raises(wisp.Timeout, match=r"spin: it took longer than 0\.05 s"):
                await made[BEHAVE].spin()
            assert made.closed


def test_a_blocking_call_that_takes_too_long_is_stopped(loaded: Any) -> None:
    with (
        loaded.instantiate(limits=wisp.Limits(timeout=0.05), output=False) as made,
        pytest.raises(wisp.Timeout),
    ):
        made[BEHAVE].spin()


def test_a_guest_that_wants_too_much_memory_is_told_so(loaded: Any) -> None:
    with loaded.instantiate(limits=wisp.Limits(memory="8MiB"), output=False) as made:
        assert made[BEHAVE].eat(2) == 2 << 20
        with pytest.raises(wisp.MemoryLimit, match="8388608 bytes"):
            made[BEHAVE].eat(64)


def test_a_guest_sees_only_the_variables_that_it_is_given(loaded: Any) -> None:
    with loaded.instantiate(environment={"COLOUR": "red"}, output=False) as made:
        assert made[BEHAVE].environment() == [("COLOUR", "red")]


async def test_an_instance_keeps_its_state_and_others_do_not_share_it() -> None:
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: Log()})
        async with loaded.instantiate() as first, loaded.instantiate() as second:
            assert [await first[BEHAVE].count() for _ in range(3)] == [1, 2, 3]
            assert await second[BEHAVE].count() == 1


async def test_a_busy_guest_does_not_stop_the_loop(instance: Any) -> None:
    spinning = asyncio.create_task(instance[BEHAVE].spin())
    for _ in range(100):
        await asyncio.sleep(0)

    assert not spinning.done()
    spinning.cancel()
    await asyncio.gather(spinning, return_exceptions=True)


async def test_a_resource_has_methods_and_is_freed_at_the_end_of_its_block(instance: Any) -> None:
    counters = instance[COUNTERS]

    async with await counters.Counter.new(5) as counter:
        assert isinstance(counter, counters.Counter)
        assert await counter.add(2) == 7
        assert await counters.live() == 1
    assert await counters.live() == 0
    other = await counters.Counter.new(0)
    await other.close()
    await other.close()
    assert await counters.live() == 0
    with pytest.raises(wisp.TypeMismatch, match="dropped or given away"):
        await counter.value()


async def test_a_resource_can_be_given_away_and_lent(instance: Any) -> None:
    counters = instance[COUNTERS]
    first, second = await counters.Counter.new(1), await counters.Counter.new(2)

    joined = await counters.Counter.joined(first, second)

    assert await joined.value() == 3
    assert await second.value() == 2
    with pytest.raises(wisp.TypeMismatch, match="resource counter: it was dropped or given away"):
        await first.value()


async def test_a_forgotten_resource_is_freed(instance: Any) -> None:
    counters = instance[COUNTERS]
    counter = await counters.Counter.new(1)
    del counter
    gc.collect()

    # Another thread frees it, and says so to nobody.
    while await counters.live():  # noqa: ASYNC110
        await asyncio.sleep(0)


def test_a_resource_of_a_blocking_instance_is_a_context_manager(blocking: Any) -> None:
    counters = blocking[COUNTERS]

    with counters.Counter.new(5) as counter:
        assert counter.add(1) == 6
    assert counters.live() == 0


def test_many_threads_call_their_own_instances_at_once(loaded: Any) -> None:
    def work(number: int) -> list[str]:
        with loaded.instantiate(output=False) as made:
            return [made[ECHO].text(f"{number}-{turn}") for turn in range(300)]

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(work, range(8)))

    assert results == [[f"{number}-{turn}" for turn in range(300)] for number in range(8)]


def test_many_threads_call_one_instance_one_at_a_time(blocking: Any) -> None:
    with ThreadPoolExecutor(8) as threads:
        counted = list(threads.map(lambda _: blocking[BEHAVE].count(), range(400)))

    assert sorted(counted) == list(range(1, 401))


def test_an_instance_may_be_used_by_several_event_loops() -> None:
    async def use(instance: Any) -> list[str]:
        texts: list[str] = await asyncio.gather(*(instance[ECHO].text(str(number)) for number in range(50)))
        return texts

    async def main() -> list[list[str]]:
        async with wisp.Host() as host:
            loaded = await host.load(values(), imports={LOG: Log()})
            async with loaded.instantiate(output=False) as made:
                work = [asyncio.to_thread(asyncio.run, use(made)) for _ in range(4)]
                return await asyncio.gather(*work, use(made))

    assert asyncio.run(main()) == [[str(number) for number in range(50)]] * 5


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a priority of its own")
def test_the_threads_of_guests_let_the_program_s_own_go_first(loaded: Any) -> None:
    assert loaded.exports
    threads = [
        path for path in Path("/proc/self/task").iterdir() if "wisp-guest" in (path / "comm").read_text()
    ]

    assert threads
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    nicer = {os.getpriority(os.PRIO_PROCESS, int(path.name)) - ours for path in threads}
    assert nicer == {min(10, 19 - ours)}


def test_an_instance_may_be_forgotten_on_any_thread(loaded: Any) -> None:
    made = loaded.instantiate(output=False)
    made.__enter__()
    held = [made]
    del made

    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()

    assert held == []


def test_instances_come_and_go_without_leaving_anything(loaded: Any) -> None:
    def cycle(times: int) -> None:
        for _ in range(times):
            with loaded.instantiate(output=False) as made:
                made[ECHO].text("x")

    cycle(200)
    files, memory = _held()
    cycle(2000)
    later_files, later_memory = _held()

    assert later_files <= files
    assert later_memory - memory < 8 << 20


def _held() -> tuple[int, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(list(Path("/proc/self/fd").iterdir())), pages * os.sysconf("SC_PAGESIZE")


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


PROLOGUE = """
import asyncio, faulthandler, os, sys
import wisp, wisp.sync
from tests.integration.embed.guest import BEHAVE, ECHO, LOG, Log, values
host = wisp.sync.Host()
instance = host.load(values(), imports={LOG: Log()}).instantiate(output=False)
instance.__enter__()
"""


def test_a_child_of_a_fork_is_told_that_it_cannot_use_the_host() -> None:
    done = _run(
        PROLOGUE
        + """
assert instance[ECHO].text("x") == "x"
child = os.fork()
if child == 0:
    try:
        instance[ECHO].text("x")
    except RuntimeError as error:
        os._exit(7 if "before a fork" in str(error) else 8)
    os._exit(9)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), instance[ECHO].text("y"))
instance.close()
host.close()
"""
    )

    assert done.stdout == "7 y\n", done.stderr


def test_a_signal_handler_that_replaced_the_engine_s_is_refused_before_a_trap_ends_the_process() -> None:
    done = _run(
        PROLOGUE
        + """
faulthandler.enable()
try:
    instance[BEHAVE].divide(0)
except RuntimeError as error:
    print("faulthandler" in str(error))
host.close()
"""
    )

    assert done.stdout == "True\n", done.stderr


def test_faulthandler_may_be_enabled_before() -> None:
    done = _run(
        "import faulthandler; faulthandler.enable()\n"
        + PROLOGUE
        + """
try:
    instance[BEHAVE].divide(0)
except wisp.Trap:
    print("trap")
host.close()
"""
    )

    assert done.stdout == "trap\n", done.stderr


def test_a_program_may_end_while_a_guest_runs() -> None:
    done = _run(
        """
import asyncio, wisp
from tests.integration.embed.guest import BEHAVE, LOG, Log, values
async def main():
    host = wisp.Host()
    instance = (await host.load(values(), imports={LOG: Log()})).instantiate()
    await instance.__aenter__()
    asyncio.ensure_future(instance[BEHAVE].spin())
    await asyncio.sleep(0)
    print("left")
asyncio.run(main())
"""
    )

    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr


def test_a_program_may_end_while_a_thread_of_the_core_tells_a_loop() -> None:
    done = _run(
        """
import asyncio, sys, threading, time, wisp
from tests.integration.embed.guest import BEHAVE, LOG, Log, values
telling = threading.Event()
class Loop(asyncio.SelectorEventLoop):
    watched = False
    def call_soon_threadsafe(self, *arguments, **options):
        if self.watched:
            telling.set()
            time.sleep(0.2)  # stands for a system call, for which a thread gives the interpreter away
        return super().call_soon_threadsafe(*arguments, **options)
class Last:
    def __del__(self, sleep=time.sleep):
        sleep(0.6)  # so that the thread comes back while the interpreter ends, and not after
sys.last = Last()
async def main():
    instance = (await wisp.Host().load(values(), imports={LOG: Log()})).instantiate(output=False)
    await instance.__aenter__()
    asyncio.get_running_loop().watched = True
    asyncio.ensure_future(instance[BEHAVE].eat(16))
    while not telling.is_set():
        await asyncio.sleep(0)
    print("left")
Loop().run_until_complete(main())
"""
    )

    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr
