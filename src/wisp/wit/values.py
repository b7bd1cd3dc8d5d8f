"""Values of WIT types that Python has no type of its own for.

A `result` that a function returns is a value or an exception, and an `option` is the value or None. Only where that is not
enough, a `result` inside of something else and an `option` of an `option`, there are these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """The good case of a `result`."""

    value: T


@dataclass(frozen=True, slots=True)
class Err(Generic[T]):
    """The bad case of a `result`."""

    value: T


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """The full case of an `option` whose value may itself be None."""

    value: T
