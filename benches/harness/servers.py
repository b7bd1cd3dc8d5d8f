"""The servers that are compared: how each is started, and when it is ready."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import app, workplace
from harness.paths import peer_program, program
from harness.processes import anonymous, memory, processor_seconds, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from harness.components import Component

GREETING = b"Hello, world!"
START_LIMIT = 60.0
"""Seconds in which a server must answer; the first start of wisp compiles."""

SETTLED = 0.5
"""Seconds in which a server that has nothing to do takes less than a tenth of that of the processors."""

ADDRESS = "127.0.0.1:PORT"
"""Stands for the address in a command line."""

PORT = "PORT"
"""Stands for the port alone."""

CORE = "CORE"
"""Stands for the number of a processor core."""

WORKERS = 2


class MeasurementError(Exception):
    """A server did not do what is measured."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One server in one configuration."""

    name: str
    command: tuple[str | Path, ...]
    configuration: str = ""
    """What its manifest says beside the command line."""

    processes: int = 1
    """How many of it are started, all on the same port."""

    split: bool = False
    """Whether each process has a port of its own, and the load is split between them."""

    def at(self, port: int, core: int = 0) -> list[str | Path]:
        """Return the command line that listens at a port, on a core where that matters."""
        return [
            word.replace(PORT, str(port)).replace(CORE, str(core)) if isinstance(word, str) else word
            for word in self.command
        ]

    @property
    def shown(self) -> str:
        """The command line as a person would write it."""
        words = (word.name if isinstance(word, Path) else word for word in self.command)
        return " ".join(words) + (f"   # {self.configuration}" if self.configuration else "")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    ports: tuple[int, ...]
    processes: tuple[subprocess.Popen[bytes], ...]

    @property
    def processor_seconds(self) -> float:
        """What it has used of the processors so far, with all its children."""
        return sum(processor_seconds(process.pid) for process in self.processes)

    @property
    def memory(self) -> int:
        """Bytes of memory that it has for itself, and its share of what it shares, with all its children."""
        return sum(memory(process.pid) for process in self.processes)

    @property
    def anonymous(self) -> int:
        """How much of it is of no file."""
        return sum(anonymous(process.pid) for process in self.processes)


def wisp(
    component: Component, variant: str, *, access_log: bool = False, workers: int = WORKERS, **instances: int
) -> Subject:
    """`wisp up` with two workers. What stands behind a comma in the variant is no part of its manifest."""
    log = () if access_log else ("--no-access-log",)
    folder = app(component, variant.partition(",")[0], **instances)
    pairs = ", ".join(f"{name} = {value}" for name, value in instances.items())
    return Subject(
        f"wisp {component.name} {variant}",
        (program("wisp"), "up", folder, "--listen", ADDRESS, "--workers", str(workers), *log),
        f"instances = {{ {pairs} }}" if instances else "",
    )


def wasmtime(component: Component, variant: str, *options: str) -> Subject:
    """`wasmtime serve` with its own defaults, and a component that was compiled before."""
    serve = (peer_program(), "serve", "--allow-precompiled", "-S", "cli", "--addr", ADDRESS)
    return Subject(f"wasmtime {component.name} {variant}", (*serve, *options, component.compiled))


def apart(subject: Subject) -> Subject:
    """Return the same server as one process for each core, on one thread each, with the load split between them."""
    command = ("taskset", "--cpu-list", CORE, *subject.command)
    return replace(
        subject, name=f"{subject.name}, {WORKERS} processes", command=command, processes=WORKERS, split=True
    )


def await_greeting(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server answers."""
    _await_success(process, lambda: check_greeting(port))


def await_connection(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server takes connections: not every one greets."""
    _await_success(process, lambda: socket.create_connection(("127.0.0.1", port), START_LIMIT).close())


@contextmanager
def serving(
    subject: Subject, await_ready: Callable[[subprocess.Popen[bytes], int], None] = await_greeting
) -> Iterator[Server]:
    """Run a server, from its first good answer, or what else is waited for, to the end of the block."""
    ports = tuple(free_port() for _ in range(subject.processes if subject.split else 1))
    output = workplace() / "server.log"
    with ExitStack() as stack:
        processes = tuple(
            stack.enter_context(running(subject.at(ports[number % len(ports)], number), output))
            for number in range(subject.processes)
        )
        try:
            for number, port in enumerate(ports):
                await_ready(processes[number], port)
        except MeasurementError as error:
            last = output.read_text(encoding="utf-8", errors="replace")[-2000:]
            message = f"{subject.name}: {error}\n{last}"
            raise MeasurementError(message) from error
        yield Server(ports, processes)


def _await_success(process: subprocess.Popen[bytes], ask: Callable[[], None]) -> None:
    """Ask until there is no error of the connection. Raises MeasurementError."""
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        if process.poll() is not None:
            message = f"it ended with code {process.returncode}"
            raise MeasurementError(message)
        try:
            ask()
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.01)
        else:
            return
    message = f"it did not answer within {START_LIMIT:g} s"
    raise MeasurementError(message)


def settle(server: Server, limit: float) -> None:
    """Wait until a server does next to nothing, so that its memory stays as it is."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        before = server.processor_seconds
        time.sleep(SETTLED)
        if server.processor_seconds - before < SETTLED / 10:
            return
    message = f"the server was still busy after {limit:g} s"
    raise MeasurementError(message)


def check_greeting(port: int) -> None:
    """Make one request, and compare the answer with what it must be, byte for byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK or body != GREETING:
        message = f"it answered {response.status} {body[:200]!r}"
        raise MeasurementError(message)


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
