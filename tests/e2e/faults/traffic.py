"""Requests all the time, at each host: for an app that it runs, and for one that two hosts run, to which most requests have to be sent on.

A request may fail when something happens to what it needs. A host that is *struck* (killed, frozen, drained) need not answer at all. One that
is *apart* (cut off from other hosts, or they lose each other's packets) must answer for what it runs, and need not for what others do. And
when every host of the other app is struck or apart, it need not be answered for anywhere until it has moved. All other requests must succeed.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Self

from tests.e2e.lattice import get

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

MOVED: Final = 20.0
"""Seconds after which an app has moved whose hosts are all lost, with the planner: a lease, what a new planner waits for hosts, and a start."""

REJOINED: Final = 10.0
"""Seconds after which hosts that were apart reach each other again: what was lost on the way is sent again later and later."""

Kind = Literal["here", "onward", "write"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that did not succeed, or a write that was not answered in time."""

    kind: Kind
    host: str
    began: float
    ended: float
    answer: tuple[int, bytes]

    def __str__(self) -> str:
        """Say what went wrong."""
        took = self.ended - self.began
        when = datetime.fromtimestamp(time.time() - time.monotonic() + self.began, UTC)
        return f"host {self.host} answered ({self.kind}, {when:%H:%M:%S.%f}) {self.answer} after {took:.2f} s"


class Spans:
    """When something was the case, of whom."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, float, float]] = []

    def begin(self, names: Collection[str], until: float = math.inf) -> None:
        """It is the case of these from now on."""
        now = time.monotonic()
        self._spans += [(name, now, until) for name in names]

    def end(self, names: Collection[str], until: float) -> None:
        """It is the case of these until then."""
        self._spans = [
            (name, since, until if name in names and end == math.inf else end)
            for name, since, end in self._spans
        ]

    def now(self) -> set[str]:
        """Return of whom it is the case."""
        now = time.monotonic()
        return {name for name, _, until in self._spans if now <= until}

    def cover(self, name: str, failure: Failure) -> bool:
        """Return whether it was the case at any time of a request."""
        return any(
            name == one and failure.ended >= since and failure.began <= until
            for one, since, until in self._spans
        )


class Traffic:
    """Somebody who asks each host all the time, as long as the block runs."""

    def __init__(
        self,
        here: Mapping[str, str],
        onward: Mapping[str, str],
        runners: Callable[[], Collection[str]],
        pause: float = 0.1,
    ) -> None:
        """Make it, of URLs by host; `runners` returns who runs the app that is asked for onward."""
        self.failures: list[Failure] = []
        self._runners, self._pause = runners, pause
        self._struck, self._apart, self._moving = Spans(), Spans(), Spans()
        self._stop = threading.Event()
        self._answered = threading.Condition()
        self._last: dict[tuple[Kind, str], float] = {}
        self._threads = [*self._askers("here", here), *self._askers("onward", onward)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def excuse(self, *hosts: str) -> Callable[[], None]:
        """Something happens to these hosts from now on; call what is returned when they are well again."""
        self._struck.begin(hosts)
        self._may_move()
        return lambda: self._struck.end(hosts, time.monotonic())

    def part(self, *hosts: str) -> None:
        """These hosts do not reach others from now on, or badly."""
        self._apart.begin(hosts)
        self._may_move()

    def join(self) -> None:
        """All hosts reach each other again."""
        self._apart.end(self._apart.now(), time.monotonic() + REJOINED)

    def until_answered(self, hosts: Iterable[str], patience: float) -> None:
        """Wait until each of these has answered a request of either kind that began after now."""
        since = time.monotonic()
        wanted: list[tuple[Kind, str]] = [(kind, host) for host in hosts for kind in ("here", "onward")]

        def missing() -> list[tuple[Kind, str]]:
            return [one for one in wanted if self._last.get(one, 0.0) < since]

        with self._answered:
            assert self._answered.wait_for(lambda: not missing(), patience), f"no answer: {missing()}"

    def broken(self) -> list[str]:
        """Return the requests that failed and that had to succeed."""
        return [str(one) for one in self.failures if not self._excused(one)]

    def unanswered(self, host: str, began: float, what: bytes) -> None:
        """Remember a write that was not answered, not even with an error."""
        self.failures.append(Failure("write", host, began, time.monotonic(), (0, what)))

    def _may_move(self) -> None:
        runners = set(self._runners())
        if runners <= self._struck.now() | self._apart.now():
            self._moving.begin([""], time.monotonic() + MOVED)

    def _excused(self, failure: Failure) -> bool:
        if self._struck.cover(failure.host, failure):
            return True
        return failure.kind == "onward" and (
            self._apart.cover(failure.host, failure) or self._moving.cover("", failure)
        )

    def _askers(self, kind: Kind, urls: Mapping[str, str]) -> list[threading.Thread]:
        return [threading.Thread(target=self._ask, args=(kind, host, url)) for host, url in urls.items()]

    def _ask(self, kind: Kind, host: str, url: str) -> None:
        while not self._stop.wait(self._pause):
            began = time.monotonic()
            answer = get(url)
            if answer[0] != 200:
                self.failures.append(Failure(kind, host, began, time.monotonic(), answer))
                continue
            with self._answered:
                self._last[kind, host] = began
                self._answered.notify_all()
