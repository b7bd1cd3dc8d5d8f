"""Versions that are tried out on a host, with real workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.host.hosts import settings
from wisp.errors import HostError
from wisp.host.rehearsal import Probe
from wisp.lattice.running.preparing import Prepared
from wisp.lattice.running.readiness import Readiness

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject


def prepared(digest: str, status: int) -> Prepared:
    """Return a version that answers with this status at `/`."""
    response = {"status": status, "headers": {}, "body": ""}
    route: JsonObject = {
        "route": "/",
        "methods": [],
        "hosts": [],
        "component": None,
        "response": response,
        "convention": "wisp",
    }
    told: JsonObject = {
        "schema": 1,
        "name": "shop",
        "version": "1.0.0",
        "http": [route],
        "cron": [{"schedule": "* * * * *", "timezone": "UTC", "overlap": False, "component": "nobody"}],
        "components": {},
        "state": "/nowhere",
    }
    return Prepared(
        app="shop",
        digest=digest,
        configuration=None,
        jobs=True,
        told=told,
        artifacts={},
        blobs=(),
        probe=Probe("/", "localhost", strict=False),
    )


async def test_a_version_that_was_not_ready_is_believed_for_a_while_and_another_one_is_tried() -> None:
    readiness = Readiness(settings(), lambda apps: None)
    with pytest.raises(HostError, match="answered with 503") as first:
        await readiness.require(prepared("sha256:1", 503))

    # It would answer now, but nobody asks.
    with pytest.raises(HostError, match="answered with 503") as again:
        await readiness.require(prepared("sha256:1", 200))

    assert again.value is first.value
    await readiness.require(prepared("sha256:2", 200))
    await readiness.require(prepared("sha256:1", 200))
