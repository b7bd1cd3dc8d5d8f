"""How long it takes from the start of a process to its first answered request, with everything in caches.

The client tries to connect every half millisecond, from the moment in which the process is spawned. For `wisp-worker`
by itself the caller does what the supervisor does: it passes a socket that already listens and the control channel
with its first message.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.components import app, workplace
from harness.paths import GUESTS, program, worker_program
from harness.processes import running, stop
from harness.section import Row, Section, of_rows
from harness.servers import (
    ADDRESS,
    GREETING,
    START_LIMIT,
    WORKERS,
    MeasurementError,
    Subject,
    free_port,
    wasmtime,
)
from wisp.cli.prepare import prepare
from wisp.cli.prepared import PrepareOptions
from wisp.host import control
from wisp.host.address import Address
from wisp.host.resolve import Place, resolve
from wisp.host.settings import HostSettings, LogSettings, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.part import Context

PAUSE = 0.0005
"""Seconds between two attempts to connect: a small part of what is measured, and the processors stay free."""


@dataclass(frozen=True, slots=True)
class StartKind:
    """One kind of start."""

    title: str
    command: str
    once: Callable[[], float]
    """Starts, measures, stops; returns milliseconds."""

    count: int
    """Starts in each round."""

    bar: float | None
    """Milliseconds that the median may take at most."""


def measure(context: Context) -> Section:
    """Measure all kinds of start."""
    peer = wasmtime(context.components.rust_p2, "fresh")
    starts = tuple(kinds(app(context.components.rust_p2, "fresh"), peer))
    rows = [_row(one, context) for one in starts]
    return of_rows(rows, "from process start to the first answer", [one.command for one in starts])


def _row(start: StartKind, context: Context) -> Row:
    start.once()  # fills the caches
    row = Row(start.title, tuple(start.once() for _ in range(start.count * context.rounds)), "ms", start.bar)
    context.say(f"{row.title}: {row.told}")
    return row


def kinds(folder: Path, peer: Subject) -> Iterator[StartKind]:
    """Return the kinds of start: of wisp with one app, with all guests, of a worker alone, and of the peer."""
    hello = Subject("wisp up", (*_up(folder), "--no-access-log"))
    everything = Subject("wisp up", (*_up(GUESTS), "--no-access-log"))
    yield StartKind("`wisp up`, one component (Rust)", hello.shown, lambda: _program(hello, "/"), 2, 200)
    title = "`wisp up`, three components built from sources, first answer from Python"
    yield StartKind(title, everything.shown, lambda: _program(everything, "/python-p2"), 2, 200)
    worker = _Worker(folder)
    shown = "wisp-worker --control FD --listener FD"
    yield StartKind("`wisp-worker` by itself, from its spawn", shown, worker.once, 4, 15)
    yield StartKind("`wasmtime serve`, compiled before", peer.shown, lambda: _program(peer, "/"), 2, None)


def _up(path: Path) -> tuple[str | Path, ...]:
    return (program("wisp"), "up", path, "--listen", ADDRESS, "--workers", str(WORKERS))


def _program(subject: Subject, path: str) -> float:
    port = free_port()
    began = time.perf_counter()
    with running(subject.at(port), workplace() / "server.log") as process:
        _first_answer(("127.0.0.1", port), path, process)
        return (time.perf_counter() - began) * 1000


class _Worker:
    """Starts of `wisp-worker` without a supervisor."""

    def __init__(self, folder: Path) -> None:
        (prepared,) = asyncio.run(prepare([folder], PrepareOptions(), lambda _: None))
        place = Place.of(prepared.name, prepared.folder, None)
        start = Start((resolve(prepared.locked, place, {}),), prepared.artifacts)
        settings = HostSettings(Address("127.0.0.1", 0), workers=1, log=LogSettings("json", access=False))
        self._first_frame = control.encode(start.message(0, settings))

    def once(self) -> float:
        """Start a worker, and measure from its spawn to its first answer."""
        ours, theirs = socket.socketpair()
        listener = socket.create_server(("127.0.0.1", 0))
        with ours, theirs, listener:
            command = (
                worker_program(),
                "--control",
                str(theirs.fileno()),
                "--listener",
                str(listener.fileno()),
            )
            began = time.perf_counter()
            process = subprocess.Popen(command, pass_fds=(theirs.fileno(), listener.fileno()))
            try:
                ours.sendall(self._first_frame)
                _first_answer(listener.getsockname(), "/", process)
                return (time.perf_counter() - began) * 1000
            finally:
                stop(process)


def _first_answer(address: tuple[str, int], path: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the greeting has arrived."""
    limit = time.monotonic() + START_LIMIT
    request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
    while time.monotonic() < limit and process.poll() is None:
        try:
            with socket.create_connection(address, timeout=START_LIMIT) as connection:
                connection.sendall(request)
                with connection.makefile("rb") as stream:
                    answer = stream.read()
        except ConnectionError:
            time.sleep(PAUSE)
            continue
        if not answer.startswith(b"HTTP/1.1 200") or GREETING not in answer:
            message = f"the first answer was {answer[:300]!r}"
            raise MeasurementError(message)
        return
    message = f"no answer: the process ended with {process.poll()}"
    raise MeasurementError(message)
