"""Long runs with damaged input, by hand: `python -m scripts.fuzz requests APP` and `python -m scripts.fuzz components WASM`.

`requests` starts `wisp up` for an app (a component or a folder) and sends it damaged requests, several connections at once. It
ends with an error when a worker dies, a good request is not answered any more, or the memory of the workers grows.

`components` compiles damaged copies of a component, in processes that are limited as the compiler's are. It ends with an
error when one of them crashes or hangs.

Both say what they did, and the same `--seed` does the same again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from scripts.mutations import mutated

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


def _resident(pids: list[int]) -> int:
    """Return the bytes of memory that processes have for themselves."""
    sums = (
        re.findall(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        for pid in pids
    )
    return sum(int(found[0]) * 1024 for found in sums if found)


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
        before = _resident(workers)
        await _batch(port, range(seed + warm, seed + count), said, at_once)
        after = _resident(workers)
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


def _compile(content: bytes, seeds: range, done: multiprocessing.Queue[tuple[str, int]]) -> None:
    """Compile damaged copies, limited as the compiler is."""
    from wisp.errors import WispError  # noqa: PLC0415 - in the child only
    from wisp.native.compile import Limits, compile_component  # noqa: PLC0415

    Limits().apply()
    with tempfile.TemporaryDirectory() as folder:
        wasm, output = Path(folder, "a.wasm"), Path(folder, "a.cwasm")
        for seed in seeds:
            wasm.write_bytes(mutated(content, seed))
            try:
                compile_component(wasm, output, "winch")
            except WispError:
                done.put(("refused", seed))
            else:
                done.put(("compiled", seed))


def _components(path: Path, count: int, seed: int) -> int:
    content, said, begun = path.read_bytes(), Counter[str](), time.monotonic()
    context = multiprocessing.get_context("spawn")
    following = seed
    while following < seed + count:
        done: multiprocessing.Queue[tuple[str, int]] = context.Queue()
        child = context.Process(target=_compile, args=(content, range(following, seed + count), done))
        child.start()
        while following < seed + count:
            try:
                word, following = done.get(timeout=2 * _PATIENCE)
            except Exception:  # noqa: BLE001 - whatever happened to the child
                how = "hangs" if child.is_alive() else f"ended with {child.exitcode}"
                print(f"seed {following}: the compiler {how}")
                said["broken"] += 1
                break
            said[word] += 1
            following += 1
        following += following < seed + count
        child.kill()
        child.join()
    print(f"{count} components in {time.monotonic() - begun:.0f} s: {dict(said)}")
    return 1 if said["broken"] else 0


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
