"""The fixtures."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

import wisp.sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wisp.host.embed.component import BlockingInstance
    from wisp.host.embed.limits import Limits
    from wisp.host.embed.loading import Source

__all__ = ["ComponentFactory", "component", "wisp_host"]


class ComponentFactory(Protocol):
    """Gives an instance of a component, which ends with the test."""

    def __call__(
        self, source: Source, *, imports: Mapping[str, object] | None = None, limits: Limits | None = None
    ) -> BlockingInstance:
        """Load a component and make an instance of it."""


@pytest.fixture(scope="session")
def wisp_host() -> Iterator[wisp.sync.Host]:
    """Give one host to all tests of a session."""
    with wisp.sync.Host() as host:
        yield host


@pytest.fixture
def component(wisp_host: wisp.sync.Host) -> Iterator[ComponentFactory]:
    """Give instances of components, which end with the test; what they write is dropped."""
    with ExitStack() as open_ones:

        def make(
            source: Source, *, imports: Mapping[str, object] | None = None, limits: Limits | None = None
        ) -> BlockingInstance:
            loaded = wisp_host.load(source, imports=imports)
            return open_ones.enter_context(loaded.instantiate(limits=limits, output=False))

        yield make
