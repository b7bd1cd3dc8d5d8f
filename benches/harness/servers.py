"""The servers that are compared: how each is started, and when it is ready."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import app, workplace
from harness.paths import peer_program, program
from harness.processes import running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from harness.components import Component

GREETING = b"Hello, world!"
START_LIMIT = 60.0
"""Seconds in which a server must answer; the first start of wisp compiles."""

ADDRESS = "127.0.0.1:PORT"
"""Stands for the address in a command line."""

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

    def at(self, port: int) -> list[str | Path]:
        """Return the command line that listens at a port."""
        return [f"127.0.0.1:{port}" if word == ADDRESS else word for word in self.command]

    @property
    def shown(self) -> str:
        """The command line as a person would write it."""
        words = (word.name if isinstance(word, Path) else word for word in self.command)
        return " ".join(words) + (f"   # {self.configuration}" if self.configuration else "")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    port: int
    process: subprocess.Popen[bytes]


def wisp(component: Component, variant: str, *, access_log: bool = False, **instances: int) -> Subject:
    """`wisp up` with two workers."""
    log = () if access_log else ("--no-access-log",)
    folder = app(component, variant.partition(",")[0], **instances)
    pairs = ", ".join(f"{name} = {value}" for name, value in instances.items())
    return Subject(
        f"wisp {component.name} {variant}",
        (program("wisp"), "up", folder, "--listen", ADDRESS, "--workers", str(WORKERS), *log),
        f"instances = {{ {pairs} }}" if instances else "",
    )


def wasmtime(component: Component, variant: str, *options: str) -> Subject:
    """`wasmtime serve` with its own defaults, and a component that was compiled before."""
    serve = (peer_program(), "serve", "--allow-precompiled", "-S", "cli", "--addr", ADDRESS)
    return Subject(f"wasmtime {component.name} {variant}", (*serve, *options, component.compiled))


@contextmanager
def serving(subject: Subject) -> Iterator[Server]:
    """Run a server, from its first good answer to the end of the block."""
    port = free_port()
    output = workplace() / "server.log"
    with running(subject.at(port), output) as process:
        try:
            await_greeting(process, port)
        except MeasurementError as error:
            last = output.read_text(encoding="utf-8", errors="replace")[-2000:]
            message = f"{subject.name}: {error}\n{last}"
            raise MeasurementError(message) from error
        yield Server(port, process)


def await_greeting(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server answers."""
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        if process.poll() is not None:
            message = f"it ended with code {process.returncode}"
            raise MeasurementError(message)
        try:
            check_greeting(port)
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.01)
        else:
            return
    message = f"it did not answer within {START_LIMIT:g} s"
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
