"""The test program of a guest library, served: for modules that say in `GUEST` whose it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.clients import serve
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator
    from pathlib import Path

    from examples.service import Service


@pytest.fixture
def work(request: pytest.FixtureRequest) -> Path:
    """Beside the work folders of real builds, so that they share what tools have compiled."""
    return Cache.open().folder("work", f"test-{request.module.GUEST}")


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(request.module.GUEST, tmp_path_factory.mktemp(request.module.GUEST)) as service:
        yield service


@pytest.fixture
def connection(service: Service) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(service.connect()) as connection:
        yield connection
