"""Log lines of hosts, for whoever listens: they travel only while somebody does.

Who listens names a subject of its own and what it wants to hear, and says so again every few seconds; a host that has not heard that for a
while stops. Each host sends the lines that it has kept first, once, so that it is known when all have answered. What comes faster than it can be sent is
left out, and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wisp.errors import LatticeError
from wisp.host.lines import LEVELS, parsed, severity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from wisp.host.relay import Relay
    from wisp.lattice.nats.requests import Requests

SUBJECT: Final = "listen"
AGAIN: Final = 5.0
"""Seconds until whoever listens says so again."""

LEASE: Final = 15.0
"""Seconds for which a host believes it."""

MOST_LISTENERS: Final = 32
MOST_PIECES: Final = 256
"""Pieces of the log, of at most 64 KiB, that wait to be sent."""

_OWN: Final = re.compile(r"lines\.[0-9a-f]{16}")


class Wanted(BaseModel):
    """What somebody wants to hear."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    subject: str = Field(default_factory=lambda: f"lines.{secrets.token_hex(8)}")
    hosts: tuple[str, ...] = ()
    """Only these; none means all."""

    app: str | None = None
    component: str | None = None
    level: str | None = None
    """Lines that are at least so bad."""

    recent: int = 0
    """How many of the lines before are wanted, of each host."""

    over: bool = False
    """That nobody listens any more."""

    @property
    def everything(self) -> bool:
        """Whether no line is left out."""
        return self.app is None and self.component is None and self.level is None

    def wants(self, line: bytes) -> bool:
        """Whether a line is one of those that are wanted."""
        if self.everything:
            return True
        found = parsed(line)
        if found is None:
            return False
        right = self.app in {None, found.get("app")} and self.component in {None, found.get("component")}
        return right and (self.level not in LEVELS or severity(found) >= LEVELS.index(self.level))

    def chosen(self, lines: bytes) -> bytes:
        """Return those of some lines that are wanted."""
        if self.everything:
            return lines
        return b"".join(line for line in lines.splitlines(keepends=True) if self.wants(line))


class Heard(NamedTuple):
    """Some lines of one host."""

    host: str
    lines: list[str]
    lost: int
    """How many were left out before these."""

    first: bool
    """Whether these are the lines from before; each host sends them once."""


class Speaking:
    """The log of one host, told to those who listen, while NATS is there."""

    def __init__(self, host: str, relay: Relay) -> None:
        self._host = host
        self._relay = relay
        self._wanted: dict[str, tuple[Wanted, float]] = {}
        self._pieces: deque[bytes] = deque(maxlen=MOST_PIECES)
        self._lost = 0
        """Counted by the thread of the log; all else here is done by the event loop."""

        self._told = 0
        self._news = asyncio.Event()

    async def run(self, requests: Requests) -> None:
        """Tell lines until this is cancelled. Raises LatticeError."""
        asked: asyncio.Queue[Wanted] = asyncio.Queue(MOST_LISTENERS)

        async def heard(content: bytes) -> None:
            with contextlib.suppress(ValidationError, asyncio.QueueFull):
                asked.put_nowait(Wanted.model_validate_json(content))
                self._news.set()

        hearing = await requests.hear(SUBJECT, heard)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEASE if self._wanted else None):
                        await self._news.wait()
                self._news.clear()
                while not asked.empty():
                    await self._begin(asked.get_nowait(), requests)
                await self._speak(requests)
        finally:
            self._relay.listen(None)
            self._wanted.clear()
            await hearing.stop()

    async def _begin(self, wanted: Wanted, requests: Requests) -> None:
        """Believe for a while that somebody listens, and tell what was before when that is new."""
        ours = not wanted.hosts or self._host in wanted.hosts
        if wanted.over:
            self._wanted.pop(wanted.subject, None)
        if wanted.over or not ours or _OWN.fullmatch(wanted.subject) is None:
            return
        known = wanted.subject in self._wanted
        if not known and len(self._wanted) >= MOST_LISTENERS:
            return
        self._wanted[wanted.subject] = (wanted, time.monotonic() + LEASE)
        if known:
            return
        loop = asyncio.get_running_loop()
        if len(self._wanted) == 1:
            self._pieces.clear()
        before = self._relay.listen(lambda lines: self._take(loop, lines))
        recent = wanted.chosen(before).splitlines(keepends=True)
        lines = b"".join(recent[-wanted.recent :]) if wanted.recent else b""
        await self._send(wanted, lines, requests, first=True)

    def _take(self, loop: asyncio.AbstractEventLoop, lines: bytes) -> None:
        """Take lines over from the thread of the log. The oldest make room."""
        if len(self._pieces) == MOST_PIECES:
            self._lost += self._pieces[0].count(b"\n")
        self._pieces.append(lines)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._news.set)

    async def _speak(self, requests: Requests) -> None:
        now = time.monotonic()
        self._wanted = {key: one for key, one in self._wanted.items() if one[1] > now}
        if not self._wanted:
            self._relay.listen(None)
            self._pieces.clear()
            return
        while self._pieces:
            lines = self._pieces.popleft()
            for wanted, _ in self._wanted.values():
                if chosen := wanted.chosen(lines):
                    await self._send(wanted, chosen, requests, first=False)

    async def _send(self, wanted: Wanted, lines: bytes, requests: Requests, *, first: bool) -> None:
        lost, self._told = self._lost - self._told, self._lost
        for piece in _pieces(lines, requests.largest - 1024):
            head = {"host": self._host, "lost": lost, "first": first}
            await requests.tell(wanted.subject, json.dumps(head).encode() + b"\n" + piece)
            lost = 0


def _pieces(lines: bytes, most: int) -> Iterable[bytes]:
    """Split lines into messages, none of which is longer than NATS takes; there is at least one."""
    while len(lines) > most:
        end = lines.rfind(b"\n", 0, most) + 1 or most
        yield lines[:end]
        lines = lines[end:]
    yield lines


@contextlib.asynccontextmanager
async def listening(
    requests: Requests, wanted: Wanted, heard: Callable[[Heard], None]
) -> AsyncIterator[None]:
    """Listen while the block runs. Raises LatticeError."""

    async def taken(content: bytes) -> None:
        head, _, lines = content.partition(b"\n")
        with contextlib.suppress(ValueError, LookupError, TypeError):
            said = json.loads(head)
            text = lines.decode(errors="replace").splitlines()
            heard(Heard(str(said["host"]), text, int(said["lost"]), bool(said["first"])))

    hearing = await requests.hear(wanted.subject, taken)
    saying = asyncio.create_task(_say(requests, wanted))
    try:
        yield
    finally:
        saying.cancel()
        with contextlib.suppress(asyncio.CancelledError, LatticeError):
            await saying
        with contextlib.suppress(LatticeError):
            await requests.tell(SUBJECT, wanted.model_copy(update={"over": True}).model_dump_json().encode())
        await hearing.stop()


async def _say(requests: Requests, wanted: Wanted) -> None:
    """Say again and again that we listen, until that is not possible."""
    while True:
        await requests.tell(SUBJECT, wanted.model_dump_json().encode())
        await asyncio.sleep(AGAIN)
