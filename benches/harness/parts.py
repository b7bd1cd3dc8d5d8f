"""All parts of the benchmark, in the order of the document."""

from __future__ import annotations

from typing import Final

from harness import calls, everybody, groups, neighbours, processors, quick, starts, steady, wrk
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
)

QUICK: Final = (Part("quick", quick.measure),)
"""What is measured where time is short: on each change."""
