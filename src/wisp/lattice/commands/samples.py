"""What hosts measure, asked for by whoever looks on: nothing travels while nobody does.

Who asks names a subject of its own, and every host answers there. A host that does not answer in time is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from wisp.lattice.nats.requests import Answering, Requests
    from wisp.lattice.state import State

SUBJECT: Final = "measure"
PATIENCE: Final = 2.0
"""Seconds that a host has to answer: it asks its workers, which are busy."""


class Counted(BaseModel):
    """What was counted for one app on one host, since its workers began."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    app: str
    requests: int = 0
    active: int = 0
    errors: int = 0
    """Answers from 500 on, and requests that broke off."""

    duration_us: int = 0
    refusals: int = 0
    """What its components asked for and were not granted."""


class Sample(BaseModel):
    """One host at one moment."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    clock: float
    """The host's own, in seconds: only differences of one host's mean something."""

    memory: int
    """Bytes of its processes that are in memory."""

    workers: int
    apps: tuple[Counted, ...] = ()


def sample(host: str, clock: float, memory: int, metrics: Mapping[str, Any]) -> bytes:
    """Write what a host answers; `metrics` are those of its workers, added up. Apps are few, components may be thousands."""
    apps: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in metrics.get("components", ()):
        total = apps[one["app"]]
        for key in ("requests", "active", "duration_us"):
            total[key] += one[key]
        total["errors"] += one["responses"]["5xx"] + one["aborted"]
    for one in metrics.get("denied", ()):
        apps[one["app"]]["refusals"] += one["count"]
    counted = [{"app": app, **total} for app, total in sorted(apps.items())]
    document = {
        "host": host,
        "clock": clock,
        "memory": memory,
        "workers": metrics["workers"],
        "apps": counted,
    }
    return json.dumps(document).encode()


async def answering(requests: Requests, measure: Callable[[], Awaitable[bytes]]) -> Answering:
    """Answer for one host, until that is stopped. Raises LatticeError."""

    async def heard(asked: bytes) -> None:
        subject = asked.decode("ascii", errors="replace")
        if subject.startswith("sample.") and subject.removeprefix("sample.").isalnum():
            with contextlib.suppress(LatticeError):
                await requests.tell(subject, await measure())

    return await requests.hear(SUBJECT, heard)


async def gather(lattice: State, hosts: Collection[str], patience: float = PATIENCE) -> dict[str, Sample]:
    """Return a sample of each host that answers in time. Raises LatticeError."""
    found: dict[str, Sample] = {}
    complete = asyncio.Event()

    async def heard(content: bytes) -> None:
        with contextlib.suppress(ValidationError):
            one = Sample.model_validate_json(content)
            found[one.host] = one
        if found.keys() >= set(hosts):
            complete.set()

    subject = f"sample.{secrets.token_hex(8)}"
    hearing = await lattice.requests.hear(subject, heard)
    try:
        await lattice.requests.tell(SUBJECT, subject.encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience if hosts else 0):
                await complete.wait()
    finally:
        await hearing.stop()
    return found
