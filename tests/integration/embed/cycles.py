"""Loads, instantiates and drops a component again and again, and prints what the process holds meanwhile; see `test_cycles.py`.

    python -m tests.integration.embed.cycles closed 10000

In a process of its own, because the tests before would be measured too.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import wisp
from tests.seam import wasm
from wisp import native

INTERFACE = "test:cycles/numbers"
WIT = """
package test:cycles;
interface numbers { divide: func(dividend: s32, divisor: s32) -> s32; }
world divider { export numbers; }
"""
CORE = b"".join(
    [
        wasm.MODULE,
        wasm.section(1, b"\x01\x60\x02\x7f\x7f\x01\x7f"),
        wasm.section(3, b"\x01\x00"),
        wasm.section(5, b"\x01\x00\x01"),
        wasm.section(
            7,
            b"\x02" + wasm.name("memory") + b"\x02\x00" + wasm.name(f"{INTERFACE}#divide") + b"\x00\x00",
        ),
        wasm.section(10, b"\x01\x07\x00\x20\x00\x20\x01\x6d\x0b"),
    ]
)
"""A module with one page of memory that divides; by 0, it traps."""

SAMPLES = 20


def component() -> bytes:
    """Make the component: it is small, so that what a cycle leaves is not hidden by what a guest takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cycles.wit"
        path.write_text(WIT, encoding="utf-8")
        return native.encode(CORE, wit=path, world="divider")


async def closed(loaded: Any) -> None:
    """Use an instance, and close it."""
    async with loaded.instantiate(output=False) as instance:
        assert await instance[INTERFACE].divide(6, 3) == 2


async def forgotten(loaded: Any) -> None:
    """Use an instance, and never close it."""
    instance = await loaded.instantiate(output=False).__aenter__()
    assert await instance[INTERFACE].divide(6, 3) == 2


async def trapped(loaded: Any) -> None:
    """Let an instance trap."""
    async with loaded.instantiate(output=False) as instance:
        with contextlib.suppress(wisp.Trap):
            await instance[INTERFACE].divide(1, 0)
        assert instance.closed


def held() -> dict[str, int]:
    """Return what this process holds."""
    gc.collect()
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return {
        "bytes": int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        * os.sysconf("SC_PAGESIZE"),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "maps": maps.count("\n"),
    }


async def main(way: str, cycles: int) -> None:
    """Cycle, and print a line of JSON at even intervals."""
    wasm, use = component(), {"closed": closed, "forgotten": forgotten, "trapped": trapped}[way]
    # Python's own grows by a thread whenever all of its are busy.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with wisp.Host() as host:
        for done in range(1, cycles + 1):
            await use(await host.load(wasm))
            if done % (cycles // SAMPLES) == 0:
                print(json.dumps({"cycles": done, **held()}), flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
