"""The requests that are counted, and counting them.

Each request of a sequence is made in the same way, one after the other on one connection, when the worker is at rest. All is done
several times, in workers of their own, and of what a request took the least is taken: time only ever adds (a guest was
interrupted, a timer was due), a request that needs more always needs it. So when more was counted than is written down, it is
counted again before that is believed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counting.served import Client, serving
from counting.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Sequence as Many
    from pathlib import Path

    from counting.served import Served

REQUESTS = 128
"""How many are counted: as many as an instance serves where it is reused, so that one of them makes a new one."""

BEFORE = 8
"""Requests that are not counted: the first ones fill what stays."""

ROUNDS = 3
"""How often each request is counted at least: one in a hundred is disturbed once, on a quiet machine."""

MOST_ROUNDS = 24
"""How often before what is more than before is believed. Where many programs share a processor, a request that takes long by itself
is disturbed more often than not."""

NEW_ROUNDS = 8
"""How often what nothing is written down for."""

MEMORY = "madvise or PAGEMAP_SCAN"
"""Making the memory of an instance empty, by the call that the kernel has for it."""

ALLOCATIONS = "allocations"
SYSTEM_CALLS = "system calls"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A kind of request."""

    name: str
    request: bytes
    status: int = 200
    contains: bytes = b"Hello, world!"


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def _post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


_BODY = b"wisp" * 1024
ALL = (
    Sequence("p2-fresh", _get("/p2/fresh")),
    Sequence("p2-reused", _get("/p2/reused")),
    Sequence("p3-reused", _get("/p3/reused")),
    Sequence("echo", _post("/echo", _BODY), contains=_BODY),
    Sequence("not-found", _get("/nowhere"), 404, b"application/problem+json"),
)


def system_calls(
    worker: Path, frame: bytes, sequence: Sequence, written: Mapping[str, int] | None
) -> Counter[str]:
    """Count the system calls of all requests of a sequence, by name; `written` is what they are expected to be."""
    return _settled(lambda: _once(worker, frame, sequence, _Calls), written)


def allocations(
    counted: Path, frame: bytes, sequence: Sequence, written: Mapping[str, int] | None
) -> Counter[str]:
    """Count the blocks of memory that the worker asks for, with a worker that answers how many those are."""
    return _settled(lambda: _once(counted, frame, sequence, _Blocks), written)


def _settled(once: Callable[[], list[Counter[str]]], written: Mapping[str, int] | None) -> Counter[str]:
    expected = Counter(written or {})
    least_rounds = NEW_ROUNDS if written is None else ROUNDS
    most_rounds = NEW_ROUNDS if written is None else MOST_ROUNDS
    rounds: list[list[Counter[str]]] = []
    least: Counter[str] = Counter()
    while len(rounds) < least_rounds or (not least <= expected and len(rounds) < most_rounds):
        rounds.append(once())
        least = _least(rounds)
    return least


class _Calls:
    """The system calls since the worker was asked last."""

    def __init__(self, _served: Served, trace: Trace) -> None:
        self._trace = trace

    def since(self) -> Counter[str]:
        calls = Counter(self._trace.counts)
        self._trace.counts.clear()
        memory = calls.pop("ioctl", 0) + calls.pop("madvise", 0)
        return calls + Counter({MEMORY: memory})


class _Blocks:
    """The blocks of memory since the worker was asked last."""

    def __init__(self, served: Served, _trace: Trace) -> None:
        self._served = served
        self._before = 0

    def since(self) -> Counter[str]:
        asked, answers = self._served.process.stdin, self._served.process.stdout
        assert asked is not None and answers is not None  # noqa: S101, PT018 - `serving` makes both
        asked.write(b"\n")
        asked.flush()
        before, self._before = self._before, int(answers.readline())
        return Counter({ALLOCATIONS: self._before - before})


def _once(
    worker: Path, frame: bytes, sequence: Sequence, counter: type[_Calls | _Blocks]
) -> list[Counter[str]]:
    """Count each request once, in a worker of its own."""
    with (
        serving([worker], frame) as served,
        Trace(served.process.pid) as trace,
        Client(served.address) as client,
    ):
        counts = counter(served, trace)
        counted = []
        for number in range(BEFORE + REQUESTS):
            client.send(sequence.request)
            trace.rest(client.answered)
            client.check(sequence.status, sequence.contains)
            since = counts.since()
            if number >= BEFORE:
                counted.append(since)
        return counted


def _least(rounds: Many[Many[Counter[str]]]) -> Counter[str]:
    """Add up the least that each request took in any of the rounds."""
    total: Counter[str] = Counter()
    for requests in zip(*rounds, strict=True):
        least = requests[0]
        for request in requests[1:]:
            least &= request
        total += least
    return total
