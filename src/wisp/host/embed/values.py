"""Values that Python has no word of its own for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Err", "Ok", "Some"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """An ``option`` of an ``option`` that is there, so that ``Some(None)`` and ``None`` stay two things."""

    value: T


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """The good case of a ``result`` that stands inside another value.

    The result of a function is its value, or raises `GuestError`.
    """

    value: T = None  # type: ignore[assignment]  # a result whose good case carries nothing


@dataclass(frozen=True, slots=True)
class Err(Generic[T]):
    """The error case of a ``result`` that stands inside another value."""

    value: T = None  # type: ignore[assignment]  # a result whose error carries nothing
