"""What an app says that only one machine has, or that would reach into a host: such an app does not go into a lattice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreign:
    """One thing that no host of a lattice can give to a component."""

    component: str
    keys: tuple[str | int, ...]
    """Where the table of the component says it."""

    message: str
    hint: str
