"""How a difference is told: of two versions by what became of the old one, of two components by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wisp.wit.structure import Side


def became(old: str, new: str, sides: tuple[Side, Side]) -> str:
    """Say that something is not what it was, or not the same in both: `is u16, was u8`, `is u16 in greeter, u8 in front`."""
    if sides[1].name:
        return f"is {new}{here(sides[1])}, {old}{here(sides[0])}"
    return f"is {new}, was {old}"


def added(sides: tuple[Side, Side]) -> str:
    """Say that only the new one has it."""
    return f"is{here(sides[1])} only" if sides[1].name else "added"


def removed(sides: tuple[Side, Side]) -> str:
    """Say that only the old one has it."""
    return f"is{here(sides[0])} only" if sides[0].name else "removed"


def here(side: Side) -> str:
    """Name a side behind what is said of it; the versions of a package need no name."""
    return f" in {side.name}" if side.name else ""
