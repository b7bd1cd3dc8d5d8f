"""Values of WIT types that Python has no type of its own for.

A `result` that a function returns is a value or an exception, and an `option` is the value or None. Only where that is not
enough, a `result` inside of something else and an `option` of an `option`, there are these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Err", "Ok", "Some"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """The good case of a `result` that stands inside another value."""

    value: T = None  # type: ignore[assignment]  # a result whose good case carries nothing


@dataclass(frozen=True, slots=True)
class Err(Generic[T]):
    """The error case of a `result` that stands inside another value."""

    value: T = None  # type: ignore[assignment]  # a result whose error carries nothing


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """The full case of an `option` whose value may itself be None, so that `Some(None)` and `None` stay two things."""

    value: T
