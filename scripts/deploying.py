"""Damaged components, served: what comes of a request to each, and whether the worker is as well afterwards as before.

Those that compile get a route each in one app of one worker, beside a good component. What the host does not take, because its imports
are not those of the host any more, it names when it starts; that one is left out, and the host starts again.

Everything is asked twice. What a worker keeps of a component (pages of its code, its place in the pool) it has after the first time, so
its memory is compared between the two: a second time may cost what allocators take, and nothing for each component.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.host import Host, environment
from tests.e2e.wire import ask
from wisp.errors import ComponentError
from wisp.registry.artifacts import artifact
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.e2e.wire import Address, Answer

GROWTH = 8 << 20
"""Bytes by which a worker may grow when it is asked the same again: a page or two of an allocator, whatever the number of components."""

_REFUSED = re.compile(
    r"^error: (?:component |wisp\.toml:\d+:\d+: component\.)([\w-]+)[:.] ?(.*)$", re.MULTILINE
)
"""By a worker that cannot link it, or because nothing answers what it imports."""

_COMPILERS = 2
_LIMITS = 'limits = { timeout = "2s", cpu = "1s", memory = "32MiB", concurrency = 1 }'


@dataclass(frozen=True, slots=True)
class Served:
    """What came of it."""

    refused: Mapping[str, str]
    """By component: why it was not served."""

    said: Counter[str]
    """How often which status came, or an answer broke off."""

    grown: int
    """Bytes that the worker has grown by, from the end of the first round to the end of the second."""

    steady: bool
    """The same worker gave the same answer of the good component before and after."""


def serve(good: bytes, damaged: Mapping[str, bytes], folder: Path) -> Served:
    """Serve damaged components in a folder, and ask each of them twice.

    Raises:
        WispError: a compiler broke.
        RuntimeError: a host did not start, and names no component that it refuses.
        TimeoutError: something hangs.

    """
    components = {"good": good, **damaged}
    for name, content in components.items():
        (folder / f"{name}.wasm").write_bytes(content)
    cache = folder / "cache"
    # A host would compile them too, but then nobody knows how long its start may take.
    refused = asyncio.run(_compile(Cache.open(cache), components))
    while True:
        left = [name for name in damaged if name not in refused]
        (folder / "wisp.toml").write_text(_manifest(["good", *left]), encoding="utf-8")
        words = ("--dev", "--workers", "1", "--no-access-log")
        with Host(*words, folder=folder, variables=environment(cache)) as host:
            if host.listens():
                return _asked(host, left, refused)
            host.ended()
            named = {name: why for name, why in _REFUSED.findall(host.stderr) if name in damaged}
            if not named:
                raise RuntimeError(host.stderr)
            refused.update(named)


def resident(pids: Iterable[int]) -> int:
    """Return the bytes of memory that processes have for themselves."""
    sums = (
        re.findall(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        for pid in pids
    )
    return sum(int(found[0]) * 1024 for found in sums if found)


async def _compile(cache: Cache, components: Mapping[str, bytes]) -> dict[str, str]:
    """Compile them into the cache, and return why some were refused."""
    slots = asyncio.Semaphore(_COMPILERS)
    refused: dict[str, str] = {}

    async def one(name: str, content: bytes) -> None:
        async with slots:
            try:
                await artifact(cache, cache.add(content), "winch")
            except ComponentError as error:
                refused[name] = error.message

    await asyncio.gather(*(one(name, content) for name, content in components.items()))
    return refused


def _manifest(names: Iterable[str]) -> str:
    tables = (
        f'[[http]]\nroute = "/{name}/..."\ncomponent = "{name}"\n\n[component.{name}]\nsource = "{name}.wasm"\n{_LIMITS}\n'
        for name in names
    )
    return "\n".join(['app = { name = "damaged" }', *tables])


def _asked(host: Host, names: Iterable[str], refused: Mapping[str, str]) -> Served:
    workers, before = host.pids(), _ask(host.address, "good")
    said = Counter[str]()
    sizes = []
    for _ in range(2):
        said.update(_outcome(host.address, name) for name in names)
        sizes.append(resident(workers))
    after = _ask(host.address, "good")
    same = (before.status, before.body) == (after.status, after.body)
    return Served(refused, said, sizes[1] - sizes[0], steady=same and host.pids() == workers)


def _ask(address: Address, name: str) -> Answer:
    return ask(address, "POST", f"/{name}/echo", "x-some: header", body=b"some text " * 100)


def _outcome(address: Address, name: str) -> str:
    try:
        return str(_ask(address, name).status)
    except (EOFError, ConnectionError):
        return "broke off"
