"""Forks, late signal handlers, several loops and threads: with the guests of WASI 0.3 and core modules too."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from typing import Any

import wisp
import wisp.sync
from tests.guests.build import component

SOURCE = "test:flows/source@0.1.0"
FLOW = "test:flows/flow"

PROLOGUE = """
import asyncio, faulthandler, os, sys
import wisp, wisp.sync
from tests.guests.build import component
from tests.integration.embed.test_guards import Source
from tests.seam import wasm

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        except RuntimeError as error:
            os._exit(7 if "before a fork" in str(error) else 8)
        finally:
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def begin():
    host = wisp.sync.Host()
    instance = host.load(component("flows"), imports={"test:flows/source": Source()}).instantiate(output=False)
    return host, instance.__enter__()

host, instance = begin()
flow = instance["test:flows/flow"]
"""


class Source:
    """Answers the import."""

    def __init__(self) -> None:
        self.loops: list[object] = []

    def slow(self, value: int) -> int:
        self.loops.append(asyncio._get_running_loop())
        return value + 1

    def bytes(self, name: str) -> bytes:
        return name.encode()

    def total(self, numbers: Any) -> int:
        return 0

    def later(self, value: int) -> int:
        return value


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_child_of_a_fork_may_use_nothing_that_was_made_before() -> None:
    said = run("""
module = host.load_module(wasm.ADD)
numbers = flow.count(10)
next(numbers)
works = [lambda: flow.plain(1), lambda: next(flow.count(1)), lambda: host.load_module(wasm.ADD) and 0]
imports = {"test:flows/source": Source()}
works += [lambda: module.instantiate().__enter__() and 0, lambda: host.load(component("flows"), imports=imports)]
print([in_child(work) for work in works], flow.plain(1))
""")

    assert said == "[7, 7, 7, 7, 7] 2\n"


def test_a_child_of_a_fork_may_start_a_host_of_its_own() -> None:
    said = run("""
def work():
    _, other = begin()
    return other["test:flows/flow"].plain(40)

print(in_child(work), flow.plain(1))
""")

    assert said == "41 2\n"


def test_a_late_signal_handler_is_refused_for_modules_and_streams_too() -> None:
    said = run("""
module = host.load_module(wasm.ADD)
faulthandler.enable()
works = [lambda: flow.count(1), lambda: module.instantiate().__enter__(), lambda: host.load_module(wasm.ADD)]
for work in works:
    try:
        work()
    except RuntimeError as error:
        print("faulthandler" in str(error))
""")

    assert said == "True\nTrue\nTrue\n"


def test_calls_from_several_loops_are_answered_on_the_loop_that_made_the_instance() -> None:
    async def use(flow: Any) -> list[int]:
        numbers = [number async for number in await flow.count(3)]
        return [*numbers, *await asyncio.gather(*(flow.ask(number) for number in range(20)))]

    async def main() -> None:
        async with wisp.Host() as host:
            source = Source()
            loaded = await host.load(component("flows"), imports={SOURCE: source})
            async with loaded.instantiate(output=False) as made:
                work = [asyncio.to_thread(asyncio.run, use(made[FLOW])) for _ in range(4)]
                found = await asyncio.gather(*work, use(made[FLOW]))
            assert found == [[0, 1, 2, *range(1, 21)]] * 5
            assert set(source.loops) == {asyncio.get_running_loop()}

    asyncio.run(main())


def test_an_instance_and_its_streams_may_be_forgotten_on_any_thread() -> None:
    with wisp.sync.Host() as host:
        loaded = host.load(component("flows"), imports={SOURCE: Source()})
        for _ in range(20):
            instance = loaded.instantiate(output=False).__enter__()
            held = [instance[FLOW].endless(), instance[FLOW].later(7), instance[FLOW].Box.new(1), instance]
            assert next(held[0]) == 0
            del instance
            thread = threading.Thread(target=lambda held=held: (held.clear(), gc.collect()))
            thread.start()
            thread.join()
            assert held == []
        with loaded.instantiate(output=False) as instance:
            assert instance[FLOW].plain(1) == 2


def test_many_threads_call_one_such_instance_at_once() -> None:
    def work(number: int) -> None:
        found[number] = [flow.ask(number + turn) for turn in range(50)]

    found: dict[int, list[int]] = {}
    with wisp.sync.Host() as host:
        loaded = host.load(component("flows"), imports={SOURCE: Source()})
        with loaded.instantiate(output=False) as instance:
            flow = instance[FLOW]
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

    assert found == {number: list(range(number + 1, number + 51)) for number in range(8)}
