"""The cron trigger: `[[cron]]`."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from wisp.manifest.table import Table
from wisp.manifest.values import Name

_FIELDS = 5


def _schedule(text: str) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - few manifests have a schedule

    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - the same

    words = text.split()
    if len(words) != _FIELDS:
        message = f'expected five fields such as "*/5 * * * *", found {len(words)}'
        raise ValueError(message)
    try:
        next(CronSim(text, datetime.now(UTC)))
    except CronSimError as error:
        message = (
            f'"{text}" is not a schedule: {str(error).lower()}; expected five fields such as "*/5 * * * *"'
        )
        raise ValueError(message) from None
    except StopIteration:
        message = f'"{text}" names no day that there is'
        raise ValueError(message) from None
    return " ".join(words)


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f'there is no zone "{text}"; expected a name such as "Europe/Berlin"'
        raise ValueError(message) from None
    return text


class Cron(Table):
    """When a component runs. It exports `wisp:cron/handler`; one worker of the host calls it for each run."""

    schedule: Annotated[str, AfterValidator(_schedule)] = Field(
        description="Five fields: minute, hour, day of the month, month, day of the week. `*`, lists, ranges, steps"
        " (`*/5`), and names (`mon`, `jan`) are understood.",
        examples=["*/5 * * * *"],
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        "UTC",
        description="The zone of the schedule, by its name in the IANA database.",
        examples=["Europe/Berlin"],
    )
    overlap: bool = Field(
        default=False,
        description="Whether a run begins although the one before it goes on. Otherwise it is left out, and the log says so.",
    )
    component: Name = Field(description="The component that runs.", examples=["cleanup"])
