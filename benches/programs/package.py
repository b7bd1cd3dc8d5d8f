"""Calls a component through the PyPI package `wasmtime`: one measurement for each line on standard input (see `programs.answers`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmtime import Config, Engine, Store, WasiConfig, component

from programs.answers import MEBIBYTE, TEXT, Numbers, answer, timed

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = "bench:calls/numbers@0.1.0"
LOOPS = "bench:calls/loops@0.1.0"
ANSWERED = ("add", "length", "text", "process")


class Package:
    """One engine, and the components in it."""

    def __init__(self, processor: bytes, relay: bytes) -> None:
        self.engine: Any = Engine(Config())
        self.processor: Any = component.Component(self.engine, processor)
        self.relay: Any = component.Component(self.engine, relay)

    def function(
        self, code: object, interface: str, name: str, host: Numbers | None = None
    ) -> Callable[..., Any]:
        """Return a function of a new instance."""
        store: Any = Store(self.engine)
        store.set_wasi(WasiConfig())
        linker: Any = component.Linker(self.engine)
        linker.add_wasip2()
        if host is not None:
            with linker.root() as root, root.add_instance(NUMBERS) as numbers:
                for each in ANSWERED:
                    method = getattr(host, each)
                    numbers.add_func(each, lambda _, *given, method=method: method(*given))
        instance = linker.instantiate(store, code)
        index = instance.get_export_index(store, interface)
        found = instance.get_func(store, instance.get_export_index(store, name, index))

        def call(*given: object) -> Any:  # noqa: ANN401 - what the function gives
            result = found(store, *given)
            found.post_return(store)
            return result

        return call

    def measures(self) -> dict[str, Callable[[int], float]]:
        """Return all measurements by name; each takes a number of calls and returns seconds."""
        packet: Any = component.Record()
        packet.id, packet.payload, packet.level = "a1", "payload", 7
        names = ("add", "text", "process", "take", "give")
        add, text, process, take, give = (self.function(self.processor, NUMBERS, name) for name in names)
        run = self.function(self.relay, LOOPS, "run", Numbers())
        return {
            "u32": lambda count: timed(add, count, 1, 2),
            "text": lambda count: timed(text, count, TEXT),
            "record": lambda count: timed(process, count, packet),
            "take": lambda count: timed(take, count, MEBIBYTE),
            "give": lambda count: timed(give, count, len(MEBIBYTE)),
            "host": lambda count: run("add", count) / 1e9,
        }


def main() -> None:
    """Answer until the input ends."""
    processor, relay = (Path(path).read_bytes() for path in sys.argv[1:3])
    answer(Package(processor, relay).measures())


if __name__ == "__main__":
    main()
