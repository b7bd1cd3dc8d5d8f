"""All parts of the benchmark, in the order of the document."""

from __future__ import annotations

from typing import Final

from harness import (
    bodies,
    calls,
    cold,
    connections,
    density,
    everybody,
    fairness,
    fleet,
    groups,
    held,
    lattice,
    neighbours,
    processors,
    quick,
    starts,
    steady,
    wrk,
)
from harness.part import Part

ALL: Final = (
    *(Part(group.name, group.measure) for group in groups.GROUPS),
    Part("peers", everybody.measure),
    Part("steady", steady.measure),
    Part("processors", processors.measure),
    Part("wrk", wrk.measure),
    Part("starts", starts.measure),
    Part("calls", calls.measure),
    Part("neighbours", neighbours.measure),
    Part("cold", cold.measure),
    Part("density", density.measure),
    Part("held", held.measure),
    Part("bodies", bodies.measure),
    Part("connections", connections.measure),
    Part("fairness", fairness.measure),
    Part("lattice", lattice.measure),
    Part("fleet", fleet.measure),
)

QUICK: Final = (Part("quick", quick.measure),)
"""What is measured where time is short: on each change."""
