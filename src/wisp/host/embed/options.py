"""What the core reads of an instantiation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.host.embed.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What an instance may take and is given."""

    memory: int
    timeout: float | None
    environment: list[tuple[str, str]]
    arguments: list[str]
    output: bool

    @classmethod
    def of(
        cls,
        limits: Limits | None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        *,
        output: bool = True,
    ) -> Options:
        """Make them of what users say."""
        limits = limits or Limits()
        variables = list((environment or {}).items())
        return cls(limits.memory_bytes, limits.timeout, variables, list(arguments), output)
