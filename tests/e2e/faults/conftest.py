"""A lattice of five machines, which the tests of a file share: each leaves it well, or the next one gets another."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import Cluster, machines, names
from tests.e2e.faults.network import Network, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = 5


class Shared:
    """The lattice that tests share, made when it is needed, and the machine of whoever asks it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder, self._cache = folder, cache
        self._stack = contextlib.ExitStack()
        self._count = 0
        self._cluster: Cluster | None = None
        self._wires: Network | None = None

    @contextlib.contextmanager
    def given(self) -> Iterator[Cluster]:
        """Be on the client of a lattice that is well, while the block runs: other tests need the way to the world."""
        with self._network().entered("client"):
            if self._cluster is None:
                self._count += 1
                folder = self._folder / str(self._count)
                folder.mkdir()
                with contextlib.ExitStack() as making:
                    cluster = making.enter_context(Cluster(folder, self._cache, self._network()))
                    cluster.up(*names(HOSTS))
                    self._stack = making.pop_all()
                self._cluster = cluster
            yield self._cluster

    def drop(self) -> None:
        """End it: what a test has left is not known."""
        stack, self._stack = self._stack, contextlib.ExitStack()
        wires, self._wires, self._cluster = self._wires, None, None
        if wires is not None:
            with wires, wires.entered("client"):
                stack.close()

    def _network(self) -> Network:
        if self._wires is None:
            self._wires = Network(*machines(HOSTS))
        return self._wires


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Shared]:
    if reason := unavailable():
        pytest.skip(f"NOT TESTED, faults of many machines: {reason}")
    made = Shared(tmp_path_factory.mktemp("faults"), cache)
    yield made
    made.drop()


@pytest.fixture
def cluster(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    failed = request.session.testsfailed
    with shared.given() as given:
        yield given
    if request.session.testsfailed > failed or sorted(given.hosts) != names(HOSTS):
        shared.drop()


@pytest.fixture(autouse=True)
def at_home() -> Iterator[None]:
    """See to it that a test leaves this process where it was: from a test's machine, nobody reaches the world."""
    home = Path("/proc/thread-self/ns/net").readlink()
    yield
    assert Path("/proc/thread-self/ns/net").readlink() == home
