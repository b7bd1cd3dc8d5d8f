"""How late a light component answers while another one in the same worker takes what it can."""

from __future__ import annotations

import contextlib
import http.client
import statistics
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import app_of_tables, built
from harness.paths import program
from harness.section import Section, Table
from harness.servers import ADDRESS, MeasurementError, Subject, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.part import Context

GUEST = Path(__file__).parents[2] / "tests" / "guests" / "http2"
HOSTILE = 4
"""Requests to the hostile component at once."""

ATTACKS = {
    "nobody": None,
    "computes for ever (`cpu`)": "spin",
    "takes all memory (`memory`)": "memory?mib=512",
    "answers without end (`response`)": "huge?bytes=1000000000",
    "logs without end (`log`)": "flood?lines=100000&bytes=100",
    "holds all resources (`handles`)": "handles?count=100000",
}
LIMITS = 'cpu = "100ms", memory = "64MiB", response = "100MiB", log = "100KiB", handles = 1000'


HEAD = ("a light component, while another", "p50, ms", "p99, ms", "requests")


@dataclass(frozen=True, slots=True)
class Late:
    """How late the neighbour was, in milliseconds."""

    attack: str
    p50: float
    p99: float
    count: int


def measure(context: Context) -> Section:
    """Measure the neighbour of each attack, in one worker."""
    words = (program("wisp"), "up", _app(), "--workers", "1", "--no-access-log", "--listen", ADDRESS)
    subject = Subject("neighbours", words)
    found = []
    with serving(subject) as server:
        for attack, path in ATTACKS.items():
            with _attacked(server.ports[0], path):
                times = list(_asked(server.ports[0], context.seconds))
            cuts = statistics.quantiles(times, n=100)
            late = Late(attack, cuts[49], cuts[98], len(times))
            found.append(late)
            context.say(
                f"neighbour of {attack}: p50 {late.p50:.2f} ms, p99 {late.p99:.2f} ms, {late.count} requests"
            )
    lines = tuple((one.attack, f"{one.p50:.2f}", f"{one.p99:.2f}", f"{one.count:,}") for one in found)
    return Section((Table(HEAD, lines),), [asdict(one) for one in found], commands=(subject.shown,))


def _asked(port: int, seconds: float) -> Iterator[float]:
    """Ask the neighbour again and again, and give how long each answer took, in milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        connection.request("GET", "/neighbour/hello")
        answer = connection.getresponse()
        answer.read()
        yield (time.perf_counter() - begun) * 1000
        if answer.status != http.HTTPStatus.OK:
            message = f"the neighbour answered {answer.status}"
            raise MeasurementError(message)
    connection.close()


@contextlib.contextmanager
def _attacked(port: int, path: str | None) -> Iterator[None]:
    """Send requests to the hostile component, several at once, until the block ends."""
    over = threading.Event()

    def attack() -> None:
        while path and not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            # Answers that break off are what is wanted.
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", f"/hostile/{path}")
                connection.getresponse().read()
            connection.close()

    threads = [threading.Thread(target=attack) for _ in range(HOSTILE)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def guest() -> Path:
    """Build the component that does every harm."""
    (wasm,) = built(GUEST).values()
    return wasm


def _app() -> Path:
    # The neighbour answers everything else, for example whether the server is ready.
    parts = (("hostile", "/hostile/...", f"limits = {{ {LIMITS} }}"), ("neighbour", "/...", ""))
    return app_of_tables("neighbours", guest(), parts)
