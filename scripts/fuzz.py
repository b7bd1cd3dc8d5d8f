"""Long runs with damaged input, by hand: `python -m scripts.fuzz requests APP` and `python -m scripts.fuzz components WASM`.

`requests` starts `wisp up` for an app (a component or a folder) and sends it damaged requests, several connections at once. It
ends with an error when a worker dies, a good request is not answered any more, or the memory of the workers grows.

`components` compiles damaged copies of a component, in processes that are limited as the compiler's are, and serves those that
compile, some hundred at a time, each with a request (twice: see `scripts/deploying.py`). It ends with an error when a compiler or a
worker crashes or hangs, a good component beside them is not answered as before, or the worker grows.

Both say what they did, and the same `--seed` does the same again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import deploying
from scripts.compiling import compile_copies
from scripts.mutations import damaged, mutated

if TYPE_CHECKING:
    from collections.abc import Sequence

_GOOD = b"GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n"
_HEADS = (
    _GOOD,
    b"POST /echo?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nX-Long: "
    + b"y" * 300
    + b"\r\n\r\n12345",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n5\r\n12345\r\n0\r\na: b\r\n\r\n",
    b"GET http://a.example:80/%2e%2e/%00?q#f HTTP/1.1\r\nhost: a.example\r\nforwarded: for=1.1.1.1\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive, te, x\r\nTE: trailers\r\nX: \r\n\tfolded\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\1\0\0\0\2\0\0\0\0"
    b"\0\0\x13\x01\x05\0\0\0\1\x82\x84\x86A\x8c\xf1\xe3\xc2\xe5\xf2:k\xa0\xab\x90\xf4\xff",
)
_PATIENCE = 30.0
_GROWTH = 4 << 20
"""Bytes by which the workers together may grow after the first tenth: less than five for each request of a million, which nothing that is kept can have."""

_DEPLOYED = 250
"""How many damaged components one host serves: each has a place in the pool, which takes 4 GiB of addresses."""


async def _send(port: int, content: bytes, *, ends: bool = True) -> str:
    """Send bytes on a connection of its own; return the first word of what comes of it.

    A client that ends its side may have gone away to the server, which then need not answer; one that wants an answer does not.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        if ends:
            writer.write_eof()
        answer = b""
        async with asyncio.timeout(_PATIENCE):
            while piece := await reader.read(1 << 16):
                answer = answer or piece[:12]
        return answer[9:12].decode("latin-1") or "closed"
    except OSError:
        return "reset"
    finally:
        writer.close()


async def _some(port: int, seeds: range, said: Counter[str]) -> None:
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - not for secrets
        said[await _send(port, mutated(chance.choice(_HEADS), seed))] += 1


def _workers(admin: str) -> list[int]:
    with urllib.request.urlopen(f"{admin}/.well-known/wisp/health", timeout=_PATIENCE) as answer:  # noqa: S310
        return [worker["pid"] for worker in json.load(answer)["workers"]]


async def _requests(app: str, count: int, seed: int, at_once: int) -> int:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("wisp")),
        *("up", app, "--listen", "127.0.0.1:0", "--no-access-log"),
        stdout=asyncio.subprocess.PIPE,
    )
    output = process.stdout or asyncio.StreamReader()
    try:
        line = await output.readline()
        while line and not line.startswith(b"{"):
            line = await output.readline()
        if not line:
            return 2
        listening = json.loads(line)
        drain = asyncio.ensure_future(output.read())
        port, admin = int(listening["url"].rpartition(":")[2].strip("/")), listening["admin"]
        workers, said, begun = _workers(admin), Counter[str](), time.monotonic()
        # The first tenth warms up what is kept for later.
        warm = count // 10
        await _batch(port, range(seed, seed + warm), said, at_once)
        before = deploying.resident(workers)
        await _batch(port, range(seed + warm, seed + count), said, at_once)
        after = deploying.resident(workers)
        good = await _send(port, _GOOD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), ends=False)
        same = _workers(admin) == workers
        took = time.monotonic() - begun
        print(f"{count} requests in {took:.0f} s: {dict(said.most_common())}")
        print(f"workers: {before >> 20} MiB before, {after >> 20} MiB after; the same processes: {same}")
        print(f"a good request afterwards: {good}")
        drain.cancel()
        return 0 if same and good == "200" and after - before < _GROWTH else 1
    finally:
        process.terminate()
        await process.wait()


async def _batch(port: int, seeds: range, said: Counter[str], at_once: int) -> None:
    parts = [range(seeds.start + index, seeds.stop, at_once) for index in range(at_once)]
    await asyncio.gather(*(_some(port, part, said) for part in parts))


def _components(path: Path, count: int, seed: int) -> int:
    content, begun = path.read_bytes(), time.monotonic()
    outcomes = compile_copies(content, range(seed, seed + count))
    compiled, refused, broken = outcomes.compiled, outcomes.refused, outcomes.broken
    print(
        f"{count} components in {time.monotonic() - begun:.0f} s: {len(compiled)} compiled, {len(refused)} refused"
    )
    for each, how in broken.items():
        print(f"seed {each}, the compiler: {how}")
    served = [_serve(content, compiled[at : at + _DEPLOYED]) for at in range(0, len(compiled), _DEPLOYED)]
    return 0 if all(served) and not broken else 1


def _serve(content: bytes, seeds: Sequence[int]) -> bool:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        served = deploying.serve(
            content, {f"seed-{seed}": damaged(content, seed) for seed in seeds}, Path(folder)
        )
    print(
        f"{len(seeds)} deployed in {time.monotonic() - begun:.0f} s: {dict(served.said.most_common())} in two rounds"
    )
    for name, why in served.refused.items():
        print(f"{name} is refused: {why[:200]}")
    print(f"the worker grew by {served.grown >> 10} KiB in the second round, and is well: {served.steady}")
    return served.steady and served.grown < deploying.GROWTH


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["requests", "components"])
    parser.add_argument("target", help="an app to serve, or a component")
    parser.add_argument("--count", type=int, help="1,000,000 requests or 10,000 components, if not said")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=16, help="connections at once")
    words = parser.parse_args()
    if words.what == "requests":
        return asyncio.run(_requests(words.target, words.count or 1_000_000, words.seed, words.at_once))
    return _components(Path(words.target), words.count or 10_000, words.seed)


if __name__ == "__main__":
    sys.exit(main())
