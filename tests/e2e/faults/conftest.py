"""A lattice of five machines, which the tests of a file share: each leaves it well, or the next one gets another."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults import network
from tests.e2e.faults.cluster import Cluster, machines, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = 5


class Shared:
    """The lattice that tests share, made when it is needed."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder, self._cache = folder, cache
        self._stack = contextlib.ExitStack()
        self._count = 0
        self._cluster: Cluster | None = None

    def give(self) -> Cluster:
        """Return a lattice that is well."""
        if self._cluster is None:
            self._count += 1
            folder = self._folder / str(self._count)
            folder.mkdir()
            wires = self._stack.enter_context(network.Network(*machines(HOSTS)))
            self._stack.enter_context(wires.entered("client"))
            cluster = self._stack.enter_context(Cluster(folder, self._cache, wires))
            cluster.up(*names(HOSTS))
            self._cluster = cluster
        return self._cluster

    def drop(self) -> None:
        """End it: what a test has left is not known."""
        self._cluster = None
        stack, self._stack = self._stack, contextlib.ExitStack()
        stack.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Shared]:
    if reason := network.unavailable():
        pytest.skip(f"NOT TESTED, faults of many machines: {reason}")
    made = Shared(tmp_path_factory.mktemp("faults"), cache)
    yield made
    made.drop()


@pytest.fixture
def cluster(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    given = shared.give()
    failed = request.session.testsfailed
    yield given
    if request.session.testsfailed > failed or sorted(given.hosts) != names(HOSTS):
        shared.drop()
