"""Hands every value on to another component, and gives back what that gives."""

from collections.abc import Callable
from typing import Any

from wit_world import exports
from wit_world.imports import echo


class Echo:
    pass


def method(name: str) -> Callable[..., Any]:
    return lambda _, *values: getattr(echo, name)(*values)


for each in vars(exports.Echo):
    if not each.startswith("_"):
        setattr(Echo, each, method(each))
