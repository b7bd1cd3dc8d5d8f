"""`wasi:clocks/monotonic-clock`."""

from wit_world.imports.wasi_io_poll import Pollable

def subscribe_duration(when: int) -> Pollable: ...
