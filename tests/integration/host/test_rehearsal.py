"""A rehearsal with a real worker: apps that nobody has asked anything yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.host.hosts import settings
from wisp.errors import HostError
from wisp.host.rehearsal import Probe, rehearse
from wisp.host.settings import Start

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject


def answering(status: int) -> Start:
    """Return an app that answers with this status at `/`."""
    response = {"status": status, "headers": {}, "body": ""}
    route: JsonObject = {
        "route": "/",
        "methods": [],
        "hosts": [],
        "component": None,
        "response": response,
        "convention": "wisp",
    }
    app: JsonObject = {
        "schema": 1,
        "name": "shop",
        "version": "1.0.0",
        "http": [route],
        "cron": [],
        "components": {},
        "state": "/nowhere",
    }
    return Start((app,), {})


async def test_an_app_that_answers_well_is_ready() -> None:
    await rehearse(settings(), answering(200), Probe("/", "localhost", strict=True))


async def test_an_app_that_answers_with_an_error_is_not_ready_and_the_answer_is_said() -> None:
    with pytest.raises(HostError, match="GET / was answered with 503"):
        await rehearse(settings(), answering(503), Probe("/", "localhost", strict=False))


async def test_an_error_of_the_apps_own_is_an_answer_unless_the_app_says_what_is_a_good_one() -> None:
    await rehearse(settings(), answering(500), Probe("/", "localhost", strict=False))

    with pytest.raises(HostError, match="GET / was answered with 404"):
        await rehearse(settings(), answering(404), Probe("/", "localhost", strict=True))


async def test_an_app_that_a_worker_cannot_start_is_not_ready() -> None:
    broken = Start(({"name": "shop"},), {})

    with pytest.raises(HostError, match="a worker cannot start"):
        await rehearse(settings(), broken, Probe("/", "localhost", strict=False))


async def test_an_app_that_is_asked_nothing_is_ready_when_a_worker_serves_it() -> None:
    await rehearse(settings(), answering(503), None)
