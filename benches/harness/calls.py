"""What single calls cost: of one component by another, and of a component by a program, beside bare Wasmtime and others.

Every subject is a process of its own that takes a name and a number of calls, and says how many nanoseconds they took: a
server whose guest times its own loop, or a program (`benches/programs`, `crates/host/benches/calls.rs`). They are asked in turn,
round by round. A round asks several times for a millisecond of work, and keeps the least: whatever else runs on the machine makes a
batch slower, never faster. What is told is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.call_rows import BATCHES, ROWS, Ask
from harness.call_table import Measured, section
from harness.components import BUILD_LIMIT, compiled, workplace
from harness.paths import BENCHES, GUESTS, peer_program, program
from harness.processes import environment, running, stop
from harness.servers import ADDRESS, START_LIMIT, MeasurementError, Subject, free_port
from wisp.cli.prepare import prepare
from wisp.cli.prepared import PrepareOptions
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.part import Context
    from harness.section import Section

APP = GUESTS / "calls"
CALLED = GUESTS / "programs"
_TWO_TABLES = ("-O", "pooling-max-tables-per-module=2")


class Asked(Protocol):
    """A subject that runs."""

    def ask(self, name: str, count: int) -> int:
        """Return the nanoseconds that so many calls took."""


class Program:
    """A program that answers lines."""

    def __init__(self, command: list[str | Path], stack: ExitStack) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BENCHES, env=environment()
        )
        stack.callback(stop, self._process)

    def ask(self, name: str, count: int) -> int:
        """Return the nanoseconds that so many calls took."""
        assert self._process.stdin is not None  # noqa: S101 - for mypy: both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{name} {count}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            message = f"{name}: the program ended with {self._process.wait()}"
            raise MeasurementError(message)
        return int(answer)


class Server:
    """A server whose guest calls in a loop when it gets a request."""

    def __init__(self, subject: Subject, stack: ExitStack) -> None:
        port, output = free_port(), workplace() / f"{subject.name}.log"
        self._process = stack.enter_context(running(subject.at(port), output))
        self._connection = HTTPConnection("127.0.0.1", port, timeout=START_LIMIT)
        stack.callback(self._connection.close)

    def ask(self, name: str, count: int) -> int:
        """Return the nanoseconds that so many calls took; wait for the server when it has just been started."""
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                return self._once(f"/{name}/{count}")
            except (ConnectionError, HTTPException) as error:
                self._connection.close()
                if self._process.poll() is not None or time.monotonic() > limit:
                    message = f"{name}: the server does not answer: {error!r}"
                    raise MeasurementError(message) from error
                time.sleep(0.01)

    def _once(self, path: str) -> int:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:  # noqa: PLR2004 - it is what HTTP calls good
            message = f"{path}: the server answered {response.status} {body[:200]!r}"
            raise MeasurementError(message)
        return int(body)


def measure(context: Context) -> Section:
    """Build what is called, start every subject, and ask them in turn. Raises MeasurementError."""
    measured = tuple(Measured(row) for row in ROWS)
    with ExitStack() as stack:
        subjects, commands = _start(stack, context.say)
        for number in range(1, context.rounds + 1):
            for one in measured:
                for column, asked in one.row.columns():
                    one.figures.setdefault(column, []).append(_least(subjects[asked.subject], asked))
            context.say(f"calls {number}/{context.rounds}")
    return section(measured, tuple(commands))


def _least(subject: Asked, asked: Ask) -> float:
    """Return the nanoseconds of one call in the best of some batches, without those of the loop around it."""
    batches = BATCHES if asked.once is None else asked.once
    if asked.is_whole:
        return min(float(subject.ask(asked.name, asked.count)) for _ in range(batches))
    least = min(subject.ask(asked.name, asked.count) for _ in range(batches)) / asked.count
    if asked.less is None:
        return least
    return least - min(subject.ask(asked.less, asked.count) for _ in range(batches)) / asked.count


def _start(stack: ExitStack, say: Callable[[str], None]) -> tuple[dict[str, Asked], list[str]]:
    say("building what is called, and the host of bare Wasmtime")
    wasm = _built()
    guests = [wasm["processor"], wasm["relay"]]
    servers = list(_servers())
    commands: dict[str, list[str | Path]] = {
        "bare": [_bare_host(), wasm["processor"]],
        "program": [sys.executable, "-m", "programs.embedded", *guests],
        "package": [sys.executable, "-m", "programs.package", *guests],
    }
    say("starting the subjects, with everything compiled")
    asyncio.run(prepare([APP], PrepareOptions(), lambda _: None))
    subjects: dict[str, Asked] = {name: Program(command, stack) for name, command in commands.items()}
    subjects.update({subject.name: Server(subject, stack) for subject in servers})
    return subjects, [subject.shown for subject in servers]


def _built() -> dict[str, Path]:
    command: list[str | Path] = [program("wisp"), "build", CALLED, "--json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=BUILD_LIMIT).stdout
    cache = Cache.open()
    return {
        name: cache.component(built["digest"]) for name, built in json.loads(output)["components"].items()
    }


def _servers() -> Iterator[Subject]:
    """Yield `wisp up` with all links, and `wasmtime serve` with each of the fused components."""
    up = (program("wisp"), "up", APP, "--listen", ADDRESS, "--workers", "1", "--no-access-log")
    yield Subject("wisp", up)
    serve = (peer_program(), "serve", "--allow-precompiled", "-S", "cli", "--addr", ADDRESS)
    for name in ("fused", "python"):
        composed = workplace() / f"calls-{name}-composed.wasm"
        command: list[str | Path] = [program("wisp"), "compose", APP, "--component", name, "-o", composed]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_LIMIT)
        component = compiled(workplace(), f"calls-{name}", composed)
        options = _TWO_TABLES if name == "python" else ()
        yield Subject(f"serve-{name}", (*serve, *options, component.compiled))


def _bare_host() -> Path:
    """Build the program that is Wasmtime and nothing else, where `make` builds too, and return its path."""
    target = os.environ.get("CARGO_TARGET_DIR") or str(Cache.open().root / "target")
    command = ["cargo", "bench", "--locked", "-p", "wisp-host", "--bench", "calls", "--no-run"]
    output = subprocess.run(
        [*command, "--message-format", "json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=BUILD_LIMIT,
        cwd=BENCHES.parent,
        env={**os.environ, "CARGO_TARGET_DIR": target},
    ).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    return Path(next(message["executable"] for message in messages if message.get("executable")))
