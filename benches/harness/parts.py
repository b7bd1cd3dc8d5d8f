"""All parts of the benchmark, in the order of the document."""

from __future__ import annotations

from typing import Final

from harness import calls, everybody, groups, neighbours, starts, steady
from harness.part import Part

ALL: Final = (
    *(Part(group.name, group.measure) for group in groups.GROUPS),
    Part("peers", everybody.measure),
    Part("steady", steady.measure),
    Part("starts", starts.measure),
    Part("calls", calls.measure),
    Part("neighbours", neighbours.measure),
)
