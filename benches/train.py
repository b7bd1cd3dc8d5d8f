#!/usr/bin/env python3
"""Has workers do what workers do, so that what they count of themselves is a profile to optimise by. `scripts/profile.sh` runs it.

The workers are those of WISP_WORKER, compiled to count; each adds to the profile when it ends. A compiler takes what is never done here for
rare, and makes it small instead of fast: so every way that a request, a call or a body can take has its turn. Every answer is looked at.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counting import sequences
from counting.served import Client, ServingError
from harness import bodies, lattice
from harness.call_rows import OURS, ROWS
from harness.client import Connection, request
from harness.components import app_of, built, guests
from harness.hosts import Hosts, variant
from harness.paths import GUESTS, program
from harness.servers import ADDRESS, GREETING, MeasurementError, Subject, await_connection, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMES: Final = 20_000
"""Requests of a kind that takes some microseconds; of dearer ones there are fewer, so that no kind is rare."""

LOOPBACK: Final = "127.0.0.1"
CAPABILITIES: Final = Path(__file__).resolve().parents[1] / "tests" / "guests" / "capabilities"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do everything, and return the exit code."""
    parser = argparse.ArgumentParser(description="Have workers do what workers do.")
    parser.add_argument(
        "--times", type=int, default=TIMES, help="requests of each kind (default: %(default)s)"
    )
    times = parser.parse_args(arguments).times
    try:
        for train in (requests, interpreters, streams, calls, stores, hosts):
            began = time.monotonic()
            train(times)
            say(f"{train.__name__}: took {time.monotonic() - began:.0f} s")
    except (MeasurementError, ServingError, OSError, subprocess.SubprocessError) as error:
        say(f"error: {error}")
        return 1
    return 0


def say(line: str) -> None:
    """Tell how far it is."""
    print(f"train: {line}", file=sys.stderr, flush=True)


def requests(times: int) -> None:
    """Make the requests that `make guard` counts."""
    with up(GUESTS / "guard") as port, Client((LOOPBACK, port)) as client:
        for sequence in sequences.ALL:
            for _ in range(times):
                client.send(sequence.request)
                client.wait()
                client.check(sequence.status, sequence.contains)


def interpreters(times: int) -> None:
    """Greet from fresh instances of a Python component."""
    wasm = built(GUESTS)["python-p2"]
    with up(app_of("train", "python", wasm)) as port, Client((LOOPBACK, port)) as client:
        for _ in range(times // 10):
            ask(client, "/", contains=GREETING)


def streams(times: int) -> None:
    """Stream large bodies in, out, and both."""
    folder = app_of("train", "bodies", guests("bodies")["rust"])
    with up(folder) as port, Connection(port) as connection:
        for _ in range(times // 1000):
            for way in bodies.WAYS:
                way.move(connection)


def calls(times: int) -> None:
    """Have components call others with values of every kind, fused and bridged."""
    asked = [row.ours for row in ROWS if row.ours.subject == OURS]
    with up(GUESTS / "calls") as port, Client((LOOPBACK, port)) as client:
        for one in asked:
            for _ in range(times // 100):
                ask(client, f"/{one.name}/{one.count}")


def stores(times: int) -> None:
    """Write and read values in the store of an app."""
    wasm = built(CAPABILITIES)["capabilities"]
    folder = app_of("train", "stores", wasm, 'grants = { keyvalue = ["default"] }')
    with up(folder) as port, Client((LOOPBACK, port)) as client:
        for _ in range(times // 10):
            ask(client, "/keyvalue/set?key=a", b"value")
            ask(client, "/keyvalue/get?key=a", contains=b"value")
            ask(client, "/keyvalue/increment?key=n", b"")


def hosts(times: int) -> None:
    """Pass requests and calls on to another host of a lattice."""
    wasm = built(GUESTS)["rust-p2"]
    with Hosts(2) as here:
        here.wisp("deploy", variant(here.folder, "here", wasm), "--replicas", "1")
        [host] = here.on("here", 1)
        other = next(name for name in here.names if name != host)
        with Client((LOOPBACK, here.ports[other])) as client:
            for _ in range(times):
                ask(client, "/here/0/", contains=GREETING)
        for folder, replicas in zip(lattice.linked(here.folder), ("1", "per-host"), strict=True):
            here.wisp("deploy", folder, "--replicas", replicas)
        [near] = here.on("numbers", 1)
        far = next(name for name in here.on("caller", 2) if name != near)
        with Client((LOOPBACK, here.ports[far])) as client:
            for _ in range(times):
                ask(client, "/caller/add/1")


@contextmanager
def up(app: Path) -> Iterator[int]:
    """Serve an app until the block ends, on a port that takes connections."""
    words = ("up", app, "--listen", ADDRESS, "--workers", "1", "--no-access-log")
    with serving(Subject("train", (program("wisp"), *words)), await_connection) as server:
        yield server.ports[0]


def ask(client: Client, path: str, body: bytes | None = None, contains: bytes = b"") -> None:
    """Make a request, which must be answered with 200 and this. Raises ServingError."""
    head = request(path, body=None if body is None else len(body))
    client.send(head + (body or b""))
    client.wait()
    client.check(HTTPStatus.OK, contains)


if __name__ == "__main__":
    sys.exit(main())
