"""A light component beside a hostile one, in the same host, and a client that asks it all the time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tests.e2e.host import PATIENCE
from tests.e2e.wire import Connection
from tests.guests.build import component

if TYPE_CHECKING:
    from tests.e2e.host import Host


def tables() -> str:
    """Return what a manifest says of the neighbour."""
    return f"""
[[http]]
route = "/neighbour/..."
component = "neighbour"

[component.neighbour]
source = "{component("http2")}"
"""


class Neighbour(threading.Thread):
    """Asks the neighbour, one request after the other, until the block ends: none of them may fail."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._address = host.address
        self._over = threading.Event()
        self._served = threading.Event()
        self.statuses: list[int] = []

    def run(self) -> None:
        with Connection(self._address) as connection:
            while not self._over.is_set():
                self.statuses.append(connection.ask("GET", "/neighbour/hello").status)
                self._served.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # At least one request is served while the hostile guest runs, and one after it.
        self._served.wait(PATIENCE)
        self._over.set()
        self.join()
        assert set(self.statuses) == {200}
