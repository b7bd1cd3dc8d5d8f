"""Compiles damaged copies of a component one after the other, in a process that is limited as the compiler's are."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scripts.mutations import damaged

_PATIENCE = 60.0


@dataclass(slots=True)
class Outcomes:
    """What came of the copies, each known by the seed of its damage."""

    compiled: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    """Those with which the compiler did not end well."""

    @property
    def count(self) -> int:
        """How many were tried."""
        return len(self.compiled) + len(self.refused) + len(self.broken)


def compile_copies(content: bytes, seeds: range) -> Outcomes:
    """Compile a copy for each seed; after one that broke the compiler, another process goes on with the next."""
    outcomes = Outcomes()
    while outcomes.count < len(seeds):
        _go_on(content, seeds[outcomes.count :], outcomes)
    return outcomes


def _go_on(content: bytes, seeds: range, outcomes: Outcomes) -> None:
    context = multiprocessing.get_context("spawn")
    done: multiprocessing.Queue[bool] = context.Queue()
    child = context.Process(target=_compile, args=(content, seeds, done))
    child.start()
    try:
        for seed in seeds:
            (outcomes.compiled if done.get(timeout=_PATIENCE) else outcomes.refused).append(seed)
    except queue.Empty:
        outcomes.broken[seed] = "it hangs" if child.is_alive() else f"it ended with {child.exitcode}"
    finally:
        child.kill()
        child.join()


def _compile(content: bytes, seeds: range, done: multiprocessing.Queue[bool]) -> None:
    from wisp.errors import WispError  # noqa: PLC0415 - in the child only
    from wisp.native.compile import Limits, compile_component  # noqa: PLC0415

    Limits().apply()
    with tempfile.TemporaryDirectory() as folder:
        wasm, output = Path(folder, "a.wasm"), Path(folder, "a.cwasm")
        for seed in seeds:
            wasm.write_bytes(damaged(content, seed))
            try:
                compile_component(wasm, output, "winch")
            except WispError:
                done.put(False)
            else:
                done.put(True)
