"""When jobs run: the moments that a schedule plans.

Summer time, as Debian's cron has it: a job at fixed times whose time is skipped runs at once after the change, and one whose time
comes twice runs the first time only. A schedule whose minute or hour begins with `*` goes by what the clocks show: what is skipped
does not come, and what comes twice is run twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from wisp.host.settings import JsonObject


@dataclass(frozen=True, slots=True)
class Job:
    """A component that runs by the clock."""

    app: str
    component: str
    schedule: str
    timezone: str
    overlap: bool
    """Whether a run begins although the one before it goes on."""

    state: Path
    """The folder of the app's stores."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"{self.app}/{self.component}"

    def planned(self, after: datetime) -> Iterator[datetime]:
        """List the moments after this one at which it runs, in UTC, each once."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - most apps have no schedule

        from cronsim import CronSim  # noqa: PLC0415 - the same

        last = after
        for moment in CronSim(self.schedule, after.astimezone(ZoneInfo(self.timezone))):
            found = moment.astimezone(UTC)
            # Where clocks are set back, it first says what is past.
            if found > last:
                last = found
                yield found


def jobs(apps: Iterable[JsonObject]) -> tuple[Job, ...]:
    """List the jobs of apps as workers are told of them, each once."""
    return tuple(dict.fromkeys(job for app in apps for job in _jobs(cast("Mapping[str, Any]", app))))


def _jobs(app: Mapping[str, Any]) -> Iterator[Job]:
    for cron in app["cron"]:
        yield Job(app=app["name"], state=Path(app["state"]), **cron)
