"""`wasi:clocks/monotonic-clock`."""

from wit_world.imports.poll import Pollable

def subscribe_duration(when: int) -> Pollable: ...
