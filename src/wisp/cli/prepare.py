"""From paths to apps that workers can run: manifest, build, store, compile, lock.

`wisp up` needs it at its start and for each reload, and only the command line may put builders and cache together
(they are strangers to each other), so it is done here, once. A start where nothing has changed since the last one
takes the short way: it remembers what came out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wisp.cli.memory import Memory
from wisp.cli.prepared import PreparedApp, PreparedComponent, PrepareOptions, Report, Strategy
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["PrepareOptions", "PreparedApp", "PreparedComponent", "Report", "Strategy", "prepare", "recompile"]


async def prepare(paths: Sequence[Path], options: PrepareOptions, report: Report) -> tuple[PreparedApp, ...]:
    """Load, build, store, compile and lock the apps at these paths: folders, manifests or `.wasm` files.

    Raises:
        WispError: a manifest is wrong, a component does not build, or is not one that serves HTTP.

    """
    cache = Cache.open()
    return tuple([await _one(path, cache, options, report) for path in paths])


async def recompile(digest: str, strategy: Strategy) -> Mapping[str, object]:
    """Compile a component anew whose artifact a worker refused, and return what workers are told of it.

    Raises:
        WispError: it is not in the cache any more, or the compiler refuses it.

    """
    from wisp.cli import assemble  # noqa: PLC0415 - slow to import, and rarely needed

    return await assemble.recompile(digest, strategy)


async def _one(path: Path, cache: Cache, options: PrepareOptions, report: Report) -> PreparedApp:
    memory = Memory(cache, path, options)
    if app := memory.recall():
        return app
    from wisp.cli import assemble  # noqa: PLC0415 - slow to import, and not needed where nothing has changed

    began = time.time_ns()
    app = await assemble.assemble(path, options, report)
    memory.keep(app, since=began)
    return app
