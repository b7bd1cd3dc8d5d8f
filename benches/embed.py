"""How long a call from Python into a component takes, beside the PyPI package `wasmtime`.

    uv run --no-sync --with wasmtime python -m benches.embed

Without that package only our own numbers are printed. Each number is the best of several rounds: a busy machine makes
single calls slower, never faster.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import wisp
import wisp.sync
from tests.integration.embed.guest import ECHO, LOG, RELAY, Log, values

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 7
MEBIBYTE = bytes(range(256)) * 4096


def best(call: Callable[[], object], times: int) -> float:
    """Return the seconds that one call takes."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - began) / times)
    return min(rounds)


async def best_awaited(call: Callable[[], Awaitable[object]], times: int) -> float:
    """Return the seconds that one awaited call takes."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            await call()
        rounds.append((time.perf_counter() - began) / times)
    return min(rounds)


def show(name: str, seconds: float, aim: str) -> None:
    """Print one line."""
    print(f"{name:46} {seconds * 1e6:10.2f} µs   aim {aim}")


def blocking() -> None:
    """Measure calls that wait."""
    with wisp.sync.Host() as host:
        loaded = host.load(values(), imports={LOG: Log()})
        with loaded.instantiate(output=False, limits=wisp.Limits(timeout=None)) as instance:
            echo, relay = instance[ECHO], instance[RELAY]
            packet = echo.Packet("a1", "payload", 7)
            show("wisp.sync, a record in and out", best(lambda: echo.process(packet), 20_000), "2.5 µs")
            show("wisp.sync, u32 in and out", best(lambda: echo.unsigned32(7), 20_000), "-")
            show("wisp.sync, 1 MiB in and out", best(lambda: echo.bytes(MEBIBYTE), 20), "2000 µs")
            empty = best(lambda: relay.repeat(0), 2_000)
            many = best(lambda: relay.repeat(1_000), 20)
            show("a Python function called by a guest", (many - empty) / 1_000, "10 µs")


async def awaited() -> None:
    """Measure calls that are awaited."""
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: Log()})
        for timeout in (None, 30.0):
            limits = wisp.Limits(timeout=timeout)
            async with loaded.instantiate(output=False, limits=limits) as instance:
                echo = instance[ECHO]
                packet = echo.Packet("a1", "payload", 7)
                took = await best_awaited(lambda: echo.process(packet), 10_000)  # noqa: B023 - called here
                show(f"wisp, awaited, a record, timeout {timeout}", took, "12 µs")


def other() -> None:
    """Measure the package `wasmtime`, if it is there."""
    try:
        from wasmtime import Engine, Store, WasiConfig, component  # noqa: PLC0415
    except ImportError:
        print("the package `wasmtime` is not installed")
        return
    engine: Any = Engine()
    store: Any = Store(engine)
    store.set_wasi(WasiConfig())
    linker: Any = component.Linker(engine)
    linker.add_wasip2()
    with linker.root() as root, root.add_instance(LOG) as log:
        log.add_func("write", lambda _, line, level: level + 1)
        log.add_func("check", lambda _, packet: packet)
    instance = linker.instantiate(store, component.Component(engine, values()))
    interface = instance.get_export_index(store, f"{ECHO}@0.1.0")

    def function(name: str) -> Callable[..., object]:
        found = instance.get_func(store, instance.get_export_index(store, name, interface))

        def call(*given: object) -> object:
            result = found(store, *given)
            found.post_return(store)
            return result

        return call

    packet = component.Record()
    packet.id, packet.payload = "a1", "payload"
    setattr(packet, "encryption-level", 7)
    process, echoed = function("process"), function("bytes")
    show("wasmtime, a record in and out", best(lambda: process(packet), 2_000), "-")
    show("wasmtime, 1 MiB in and out", best(lambda: echoed(MEBIBYTE), 1), "-")


def main() -> None:
    """Print all of it."""
    blocking()
    asyncio.run(awaited())
    other()


if __name__ == "__main__":
    main()
