"""Runs by the clock: `wisp:cron`.

    from wisp_guest import cron

    @cron.handler
    def clean(tick: cron.Tick) -> None:
        ...

The manifest says when: `[[cron]]` with a `schedule` and this component. A project that imports this module and not
`wisp_guest.http` makes a component that answers no requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from wisp_guest._handlers import only

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Handler", "Tick", "handler"]


@dataclass(frozen=True, slots=True)
class Tick:
    """One planned run."""

    schedule: str
    """As the manifest has it."""

    timezone: str
    """The zone of the schedule."""

    planned: datetime
    """When this run was planned, in UTC; it begins then or a little later."""

    id: str
    """What names this run in the log of the host."""


Handler: TypeAlias = Callable[[Tick], object] | Callable[[Tick], Awaitable[object]]
"""What `handler` decorates: a function, or a coroutine function. What it returns is not looked at."""

Decorated = TypeVar("Decorated", bound=Handler)

_handlers: list[Handler] = []


def handler(function: Decorated) -> Decorated:
    """Make this function the one that does the component's runs; it stays callable as it is.

    A component has one. An exception that leaves it ends the run as failed, with the exception in the host's log, and its
    traceback among the lines of the component. The next run comes as planned.
    """
    return only(_handlers, function, "runs")


def _handler() -> Handler | None:
    return _handlers[0] if _handlers else None
