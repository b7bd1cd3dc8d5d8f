"""Clients of an app that keeps what they write in the lattice: what they were told, and whether all of it is there afterwards.

The app runs on two hosts, and a client asks each host, so most requests are sent on. One after the other, it increments a counter, appends a word to
a list by compare-and-set, and publishes a message, which another component of the app writes down. All clients share the keys. What must
hold of their writes says `tests.histories`; a message that was acknowledged must have been taken, once or more often.

While NATS is away a write ends with an error, in time, and counts as one of which nobody knows what became of it, unless the error says that
nothing was done.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tests.e2e.lattice import get
from tests.guests.build import component
from tests.histories import Call, faults_of_counter, faults_of_list, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

APP: Final = "ledger"
LOG: Final = "log"
WRITTEN: Final = f"$KV.wisp_test_{APP}_default.{LOG}"
"""Where NATS says that a message was taken: the subject of the key to which that is written."""

KINDS: Final = ("increment", "append", "publish")
PAUSE: Final = 0.1
AGAIN: Final = 5
"""How often a client appends the same word when others were quicker."""

REDELIVERED: Final = 60.0
"""Seconds after which a message must have been taken, once all is well: a worker that has died with one is waited for, half a minute."""


def write(folder: Path, version: str) -> Path:
    """Write the app; it tells its version as other apps of these tests do."""
    path = folder / f"{APP}-{version}" / "wisp.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of the stores of all components, NATS reserves the largest.
    small = 'limits = { store = "1MiB" }'
    store = (
        'grants = { keyvalue = ["default"], messaging = [">"] }\nlimits = { timeout = "4s", store = "1MiB" }'
    )
    lines = [
        f'app = {{ name = "{APP}" }}',
        f'[[http]]\nroute = "/{APP}/..."\ncomponent = "front"',
        f'[[http]]\nroute = "/{APP}/store/..."\ncomponent = "writer"',
        '[[messaging]]\nsubject = "orders.*"\ncomponent = "taker"',
        'attempts = 1000\nbackoff = "50ms"\nmost_backoff = "1s"',
        f'[component.front]\nsource = "{component("http2")}"\n{small}\nenvironment = {{ VERSION = "{version}" }}',
        f'[component.writer]\nsource = "{component("capabilities")}"\n{store}',
        f'[component.taker]\nsource = "{component("taker")}"\n{store}\nenvironment = {{ LOG = "{LOG}" }}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path.parent


@dataclass(slots=True)
class Page:
    """What clients were told of keys that nobody has used before."""

    number: int
    calls: list[Call] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """Messages that were acknowledged."""

    taken: set[str] = field(default_factory=set)
    """Messages that were seen to be taken: of this page, and of others."""

    @property
    def counter(self) -> str:
        """The key that is incremented."""
        return f"count-{self.number}"

    @property
    def words(self) -> str:
        """The key that words are appended to."""
        return f"list-{self.number}"

    def of(self, key: str, *, old_reads: bool) -> list[Call]:
        """Return the calls for a key. Where reads may miss what is new, they may have been done any time before they ended."""
        found = [call for call in self.calls if call.key == key]
        if old_reads:
            found = [replace(call, began=0.0) if call.seen is not None else call for call in found]
        return found


class Ledger:
    """All clients of one lattice."""

    def __init__(self, at: Callable[[str], str], *, old_reads: bool = False) -> None:
        """Make it. `at` says where a host answers; `old_reads` whether reads may miss what was written just before."""
        self._at, self._old_reads = at, old_reads
        self._numbers = itertools.count(1)
        self.page = Page(0)
        self._went: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        self._waiting: dict[str, float] = {}
        """Messages that nobody is known to have taken, and since when all has been well."""

    @contextlib.contextmanager
    def writing(
        self, hosts: Collection[str], unanswered: Callable[[str, float, bytes], None]
    ) -> Iterator[None]:
        """Have a client at each host while the block runs. `unanswered` is told of each request that was not answered in time: host, begin, what."""
        stop = threading.Event()
        with self._changed:
            self._went = {(host, kind): 0.0 for host in hosts for kind in KINDS}
            self.page = Page(next(self._numbers))
        clients = [threading.Thread(target=self._client, args=(host, stop, unanswered)) for host in hosts]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            stop.set()
            for client in clients:
                client.join()
            self.expect(self.page.sent)

    def expect(self, sent: Collection[str]) -> None:
        """Wait for these messages from now on, as all is well."""
        self._waiting |= dict.fromkeys(sent, time.monotonic())

    def until_written(self, hosts: Collection[str], patience: float) -> None:
        """Wait until writes and messages go through at these hosts, as far as they have clients: such as began after now."""
        since = time.monotonic()

        def missing() -> list[tuple[str, str]]:
            return [one for one, began in self._went.items() if one[0] in hosts and began < since]

        with self._changed:
            assert self._changed.wait_for(lambda: not missing(), patience), f"does not go: {missing()}"

    def lost(self) -> None:
        """The data of NATS are lost: what was acknowledged until now need not be there."""
        self.page = Page(next(self._numbers))
        self._waiting.clear()

    def broken(self, host: str) -> list[str]:
        """Ask a host what is there of what clients wrote last, and return what cannot be so."""
        page = self.page
        self._look(host)
        words, total = (
            self._value(host, page.words).decode().split(),
            int(self._value(host, page.counter) or 0),
        )
        listed, counted = (page.of(key, old_reads=self._old_reads) for key in (page.words, page.counter))
        return [*faults_of_list(listed, words), *faults_of_counter(counted, total)]

    def untaken(self, host: str, seconds: float) -> list[str]:
        """Return the messages that were not taken, and should have been for so long."""
        if self._overdue(seconds):
            self._look(host)
        return self._overdue(seconds)

    def _overdue(self, seconds: float) -> list[str]:
        now = time.monotonic()
        return [word for word, since in self._waiting.items() if since + seconds <= now]

    def _look(self, host: str) -> None:
        """Read what was taken, and begin anew what it is written to, unless somebody has written there meanwhile."""
        status, body = self.ask(host, f"keyvalue/entry?key={LOG}")
        assert status == 200, (host, status, body)
        taken = self.page.taken
        if (entry := json.loads(body)) and entry["value"]:
            # Of each message its subject, its attempt, and its body.
            taken |= {line.rpartition(" ")[2] for line in entry["value"].splitlines()}
            self.ask(host, f"keyvalue/compare?key={LOG}&version={entry['version']}", b"")
        self._waiting = {word: since for word, since in self._waiting.items() if word not in taken}

    def _value(self, host: str, key: str) -> bytes:
        status, body = self.ask(host, f"keyvalue/get?key={key}")
        assert status == 200 or body == b"nothing", (host, status, body)
        return body if status == 200 else b""

    def ask(self, host: str, what: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask a host for what the app does with its store, and with messages."""
        return get(f"{self._at(host)}/{APP}/store/{what}", body)

    def _client(
        self, host: str, stop: threading.Event, unanswered: Callable[[str, float, bytes], None]
    ) -> None:
        work = {"increment": self._increment, "append": self._append, "publish": self._publish}
        for number, kind in enumerate(itertools.cycle(KINDS)):
            if stop.wait(PAUSE):
                return
            page, began = self.page, time.monotonic()
            status = work[kind](page, host, f"{page.number}.{host}.{number}")
            if status == 0:
                unanswered(host, began, kind.encode())
            elif status == 200:
                with self._changed:
                    self._went[host, kind] = began
                    self._changed.notify_all()

    def _increment(self, page: Page, host: str, _: str) -> int:
        began = time.monotonic()
        status, body = self.ask(host, f"keyvalue/increment?key={page.counter}", b"")
        total = int(body) if status == 200 else None
        page.calls.append(Call(page.counter, began, time.monotonic(), outcome(status, body), total=total))
        return status

    def _append(self, page: Page, host: str, word: str) -> int:
        """Read the list, and write it with a word more if it is still what was read."""
        for attempt in range(AGAIN):
            status, refused = self._append_once(page, host, f"{word}.{attempt}")
            if not refused:
                break
        return status

    def _append_once(self, page: Page, host: str, word: str) -> tuple[int, bool]:
        began = time.monotonic()
        status, body = self.ask(host, f"keyvalue/entry?key={page.words}")
        if status != 200:
            return status, False
        entry = json.loads(body)
        words = tuple(entry["value"].split()) if entry else ()
        page.calls.append(Call(page.words, began, time.monotonic(), "done", seen=words))
        version = f"&version={entry['version']}" if entry else ""
        value = " ".join([*words, word]).encode()
        began = time.monotonic()
        status, body = self.ask(host, f"keyvalue/compare?key={page.words}{version}", value)
        page.calls.append(Call(page.words, began, time.monotonic(), outcome(status, body), word=word))
        return status, body.startswith(b"changed: ")

    def _publish(self, page: Page, host: str, word: str) -> int:
        status, _ = self.ask(host, "messaging/publish?subject=orders.new", word.encode())
        if status == 200:
            page.sent.append(word)
        return status
