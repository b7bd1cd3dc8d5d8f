"""Gives back values of every type, and has things of its own."""

from collections.abc import Callable
from typing import Any

import things

from componentize_py_types import Ok
from wit_world import exports


def same(_: object, value: Any) -> Any:
    return value


def opened(_: object, value: Any) -> Any:
    """Return what a result holds, or raise it, as functions do whose result is one."""
    if isinstance(value, Ok):
        return value.value
    raise value


def method(name: str) -> Callable[..., Any]:
    return opened if name.startswith("either") else same


class Echo:
    def parameters18(self, *values: Any) -> tuple[Any, ...]:
        return values

    def nothing(self) -> None:
        pass


for each in vars(exports.Echo):
    if not each.startswith("_") and not hasattr(Echo, each):
        setattr(Echo, each, method(each))


class Things(exports.Things):
    def pass_(self, counter: things.Counter | None) -> things.Counter | None:
        return counter

    def split(self, counter: things.Counter) -> tuple[things.Counter, things.Counter]:
        return things.split(counter)

    def live(self) -> int:
        return len(things.LIVE)
