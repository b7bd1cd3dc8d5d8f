"""A part of the benchmark: what it is given, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.components import Components
    from harness.section import Section

Json: TypeAlias = "str | float | bool | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Context:
    """What every part is given."""

    components: Components
    rounds: int
    seconds: int
    """Of load for one measurement."""

    say: Callable[[str], None]
    """Tells who waits what was measured just now."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is measured; `--only` measures it alone."""

    name: str
    measure: Callable[[Context], Section]
    """Raises MeasurementError, OSError or SubprocessError when nothing could be measured at all."""
