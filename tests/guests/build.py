"""The one recipe for the tiny components of the tests: `component("http2")` is the path of a built one.

Built on demand, by wisp's own builders, into the user's cache; what has not changed is not built again. Where the
machine's Rust lacks the target, `scripts/rust-wasi.sh` sets one up in the cache first.

    http2     wasi:http 0.2, Rust: many behaviours, chosen by the last segment of the path
    http3     wasi:http 0.3, Rust: the same for streams, trailers and concurrency; folders, and a key-value store
    capabilities  wasi:http 0.2, Rust: stores, configuration, logging, by the last two segments of the path
    go, c     wasi:http 0.2, with the guest libraries of Go and C
    command2  a command of WASI 0.2, Rust: verbs as arguments
    command3  a command of WASI 0.3, Rust: prints its arguments
    spin2     wasi:http 0.2, Rust: the interfaces of Spin 1, 2 and 3
    spin3     wasi:http 0.3, Rust: the asynchronous interfaces of Spin 4
    filter3   no service: streams of WASI 0.3 in and out, Rust
    gateway3  wasi:http 0.3, Rust: its bodies go through the streams of filter3
    values    no service: echoes values of every type, misbehaves, has resources, calls its host; Rust
    oracle    wasi:http 0.2, Rust: does what the lines of a request say with files, clocks, and so on
    hosted    no service: uses a resource that its host implements; Rust
    job       no service: runs by the clock; what a run does, the variable JOB says; Rust
    taker     no service: takes messages, writes down what came, and does what they say; Rust
    flows     no service: asynchronous functions, streams and futures, several calls at once; Rust
    spies/*   a library that tries what it may not, in Rust and Python; a service that calls it; a vault that only that may reach
    types/*   values of every type, and resources: providers give them back, relays and keepers ask a provider, the front
              and the command ask it for whoever sends a request, or starts it; Rust and Python
    preview1  a preview-1 program, C, not a component: the verbs of command2, and a survey of the world that it is given
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

from wisp.build import Project, build_component, inputs, process
from wisp.build.c import REQUIREMENT as ZIG
from wisp.registry.cache import Cache

Name = Literal[
    "capabilities",
    "http2",
    "http3",
    "go",
    "c",
    "command2",
    "command3",
    "filter3",
    "flows",
    "gateway3",
    "hosted",
    "oracle",
    "job",
    "preview1",
    "spin2",
    "spin3",
    "taker",
    "values",
    "spies/rust-caller",
    "spies/rust-vault",
    "spies/rust-spy",
    "spies/python-spy",
    "types/rust-provider",
    "types/rust-relay",
    "types/rust-keeper",
    "types/rust-command",
    "types/python-provider",
    "types/python-relay",
    "types/python-keeper",
    "types/python-front",
]
FOLDER = Path(__file__).parent
SCRIPT = FOLDER.parents[1] / "scripts" / "rust-wasi.sh"


@functools.cache
def component(name: Name) -> Path:
    """Return the built component of that name."""
    if name == "preview1":
        return _preview1()
    if (FOLDER / name / "Cargo.toml").exists():
        use_rust()
    cache = Cache.open()
    result = build_component(Project(f"test-{name.replace('/', '-')}", FOLDER / name), cache, _report)
    return cache.component(result.digest)


@functools.cache
def use_rust() -> None:
    """Put a Rust that has the target wasm32-wasip2 first on this process's PATH."""
    script = subprocess.run([SCRIPT], stdout=subprocess.PIPE, text=True, check=True)
    folder = script.stdout.strip().rpartition("\n")[2]
    if folder and folder not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((folder, os.environ["PATH"]))


def _preview1() -> Path:
    cache = Cache.open()
    folder = FOLDER / "preview1"
    sources = sorted(folder.glob("*.[ch]"))
    key = inputs.digest(folder, sources, [ZIG]).removeprefix("sha256:")
    product = cache.folder("work", "test-preview1") / f"{key}.wasm"
    if not product.exists():
        temporary = product.with_suffix(f".{os.getpid()}")
        files = [str(source) for source in sources if source.suffix == ".c"]
        arguments = ("-target", "wasm32-wasi", "-Os", "-s", *files, "-o", str(temporary))
        zig = str(cache.folder("work", "zig"))
        environment = process.tool_environment(ZIG_GLOBAL_CACHE_DIR=zig, ZIG_LOCAL_CACHE_DIR=zig)
        command = process.uv_python(ZIG, "-m", "ziglang", "cc", *arguments)
        output = process.run_fetched(command, folder=folder, environment=environment)
        if output.code != 0:
            raise RuntimeError(output.text)
        temporary.rename(product)
    return product


def _report(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - pytest shows it when a test fails


if __name__ == "__main__":
    for each in Name.__args__:  # type: ignore[attr-defined]
        print(each, component(each))  # noqa: T201 - the recipe by hand: python -m tests.guests.build
