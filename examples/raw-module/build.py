"""Compiles module/process.c to a core module: `python build.py` says where it is. Built again only when something changed."""

from __future__ import annotations

import os
from pathlib import Path

from wisp.build import inputs, process
from wisp.build.c import REQUIREMENT as ZIG
from wisp.registry.cache import Cache

SOURCE = Path(__file__).parent / "module" / "process.c"
FLAGS = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra")
SMALL = ("-Os", "-s", "-Wl,--gc-sections", "-Wl,-z,stack-size=65536")


def module() -> Path:
    """Return the compiled module, which lies in wisp's cache; uv fetches the compiler at its first use."""
    cache = Cache.open()
    key = inputs.digest(SOURCE.parent, [SOURCE], [ZIG, *FLAGS, *SMALL]).removeprefix("sha256:")
    product = cache.folder("work", "raw-module") / f"{key}.wasm"
    if not product.exists():
        temporary = product.with_suffix(f".{os.getpid()}")
        zig = str(cache.folder("work", "zig"))
        command = process.uv_python(
            ZIG, "-m", "ziglang", "cc", *FLAGS, *SMALL, SOURCE.name, "-o", str(temporary)
        )
        environment = process.tool_environment(ZIG_GLOBAL_CACHE_DIR=zig, ZIG_LOCAL_CACHE_DIR=zig)
        output = process.run(command, folder=SOURCE.parent, environment=environment)
        if output.code != 0:
            raise RuntimeError(output.text)
        temporary.rename(product)
    return product


if __name__ == "__main__":
    print(module())
