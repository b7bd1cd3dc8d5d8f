"""An open host with the component of the tests, loaded once for each test module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from tests.integration.embed.guest import LOG, Log, values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
async def instance() -> AsyncIterator[Any]:
    """Return an instance whose functions are awaited."""
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: Log()})
        async with loaded.instantiate(output=False) as made:
            yield made


@pytest.fixture(scope="module")
def loaded() -> Iterator[Any]:
    """Return the component, for calls that wait."""
    with wisp.sync.Host() as host:
        yield host.load(values(), imports={LOG: Log()})


@pytest.fixture
def blocking(loaded: Any) -> Iterator[Any]:
    """Return an instance whose functions wait."""
    with loaded.instantiate(output=False) as made:
        yield made
