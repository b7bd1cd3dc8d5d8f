"""A lattice of five machines, and one of three that are their own NATS, which tests share: each leaves it well, or the next one gets another."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import pytest

from tests.e2e.faults.cluster import Cluster, machines, names
from tests.e2e.faults.network import Network, unavailable
from tests.e2e.faults.trio import Trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTS = 5

Made = TypeVar("Made", bound=Cluster)


class Shared(Generic[Made]):
    """The lattice that tests share, made when it is needed, and the machine of whoever asks it."""

    def __init__(self, folder: Path, make: Callable[[Path, Network], Made], hosts: int) -> None:
        self._folder, self._make, self._hosts = folder, make, names(hosts)
        self._stack = contextlib.ExitStack()
        self._count = 0
        self._cluster: Made | None = None
        self._wires: Network | None = None

    @contextlib.contextmanager
    def given(self, request: pytest.FixtureRequest) -> Iterator[Made]:
        """Give a test a lattice that is well; when it leaves it otherwise, the next one is given another. The last one ends it."""
        failed = request.session.testsfailed
        with self._entered() as given:
            yield given
        if request.session.testsfailed > failed or sorted(given.hosts) != self._hosts:
            self._drop()
        items = request.session.items
        following = items[items.index(request.node) + 1 :]
        if not any(request.fixturename in getattr(item, "fixturenames", ()) for item in following):
            self.end()

    def end(self) -> None:
        """End it well: what any test was told must have come about by then."""
        try:
            if self._cluster is not None:
                with self._entered() as given:
                    given.until_taken()
        finally:
            self._drop()

    @contextlib.contextmanager
    def _entered(self) -> Iterator[Made]:
        """Be on the client while the block runs: other tests need the way to the world."""
        with self._network().entered("client"):
            if self._cluster is None:
                self._count += 1
                folder = self._folder / str(self._count)
                folder.mkdir()
                with contextlib.ExitStack() as making:
                    cluster = self._make(folder, self._network())
                    making.enter_context(cluster)
                    cluster.goes_on = True
                    cluster.up(*self._hosts)
                    self._stack = making.pop_all()
                self._cluster = cluster
            yield self._cluster

    def _drop(self) -> None:
        """End it: what a test has left is not known."""
        stack, self._stack = self._stack, contextlib.ExitStack()
        wires, self._wires, self._cluster = self._wires, None, None
        if wires is not None:
            with wires, wires.entered("client"):
                stack.close()

    def _network(self) -> Network:
        if self._wires is None:
            self._wires = Network(*machines(len(self._hosts)))
        return self._wires


@contextlib.contextmanager
def sharing(shared: Shared[Made]) -> Iterator[Shared[Made]]:
    """Share a lattice as long as the block runs, where that is possible."""
    if reason := unavailable():
        pytest.skip(f"NOT TESTED, faults of many machines: {reason}")
    yield shared
    shared.end()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Shared[Cluster]]:
    folder = tmp_path_factory.mktemp("faults")
    with sharing(Shared(folder, lambda folder, wires: Cluster(folder, cache, wires), HOSTS)) as made:
        yield made


@pytest.fixture
def cluster(shared: Shared[Cluster], request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with shared.given(request) as given:
        yield given


@pytest.fixture(scope="module")
def shared_trio(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Shared[Trio]]:
    folder = tmp_path_factory.mktemp("trio")
    with sharing(Shared(folder, lambda folder, wires: Trio(folder, cache, wires), 3)) as made:
        yield made


@pytest.fixture
def trio(shared_trio: Shared[Trio], request: pytest.FixtureRequest) -> Iterator[Trio]:
    with shared_trio.given(request) as given:
        yield given


@pytest.fixture(autouse=True)
def at_home() -> Iterator[None]:
    """See to it that a test leaves this process where it was: from a test's machine, nobody reaches the world."""
    home = Path("/proc/thread-self/ns/net").readlink()
    yield
    assert Path("/proc/thread-self/ns/net").readlink() == home
