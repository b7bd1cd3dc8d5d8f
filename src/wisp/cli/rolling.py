"""How a new version of an app follows the one before: the options of `wisp deploy`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final, cast

from wisp.cli.parser import UsageError, seconds

if TYPE_CHECKING:
    from wisp.lattice.plan.versions import StrategyChanges


def add_rolling(parser: argparse.ArgumentParser) -> None:
    """Add how a new version follows the one before. What is left out stays as it is, except for a canary."""
    group = parser.add_argument_group(
        "changing from one version to the next; what is left out stays as it was"
    )
    group.add_argument(
        "--canary",
        metavar="PERCENT",
        help="give the new version so many of a hundred requests, such as 10%%, until `wisp promote` or `wisp rollback`",
    )
    group.add_argument(
        "--surge",
        type=int,
        metavar="N",
        help="how many hosts beyond those that are wanted may run it meanwhile (at first: 1)",
    )
    group.add_argument(
        "--max-unavailable",
        type=int,
        metavar="N",
        help="how many of those that are wanted may change at once (at first: 0; where no host is free, 1)",
    )
    group.add_argument(
        "--observe",
        metavar="TIME",
        help="how long it answers on its first host before others follow (at first: 5s)",
    )
    _add_judging(group)


def _add_judging(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-errors",
        type=_percent,
        metavar="PERCENT",
        help="take it back when so many per cent more of its requests fail than of the version before (at first: 5%%)",
    )
    group.add_argument(
        "--max-latency",
        type=float,
        metavar="TIMES",
        help="take it back when its requests take so many times as long on average (at first: 3)",
    )
    group.add_argument(
        "--min-requests",
        type=int,
        metavar="N",
        help="compare nothing before so many requests of each version (at first: 50)",
    )
    group.add_argument(
        "--auto-rollback",
        action=argparse.BooleanOptionalAction,
        help="whether it is taken back by itself (at first: it is)",
    )
    group.add_argument(
        "--history", type=int, metavar="N", help="how many versions are remembered (at first: 10)"
    )


def strategy(arguments: argparse.Namespace) -> StrategyChanges:
    """Return what is to be changed. Raises UsageError."""
    given = {
        "canary": arguments.canary and _canary(arguments.canary),
        "observe_ms": arguments.observe and round(seconds(arguments.observe, "--observe") * 1000),
        "surge": arguments.surge,
        "max_unavailable": arguments.max_unavailable,
        "errors": arguments.max_errors,
        "slower": arguments.max_latency,
        "minimum": arguments.min_requests,
        "automatic": arguments.auto_rollback,
        "keep": arguments.history,
    }
    found = cast("StrategyChanges", {key: value for key, value in given.items() if value is not None})
    if found:
        _check(found)
    return found


def _check(found: StrategyChanges) -> None:
    """Raise UsageError unless these can be meant."""
    from pydantic import ValidationError  # noqa: PLC0415 - slow to import, and mostly nothing is changed

    from wisp.lattice.plan.versions import Strategy  # noqa: PLC0415 - the same

    try:
        Strategy.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"{_OPTIONS[str(first['loc'][0])]}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(message) from error


_OPTIONS: Final = {
    "canary": "--canary",
    "observe_ms": "--observe",
    "surge": "--surge",
    "max_unavailable": "--max-unavailable",
    "errors": "--max-errors",
    "slower": "--max-latency",
    "minimum": "--min-requests",
    "keep": "--history",
}


def _canary(text: str) -> int:
    """Read `10%` or `10`. Raises UsageError."""
    number = text.removesuffix("%")
    if not number.isdecimal():
        message = f"--canary {text}: expected a per cent of the requests, such as 10%"
        raise UsageError(message)
    return int(number)


def _percent(text: str) -> float:
    """Read `5%` or `0.5`."""
    return float(text.removesuffix("%"))
