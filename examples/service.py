"""What the demos of the examples share: the real `wisp up` in a process of its own, and requests whose answers are known."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

WISP = Path(sys.executable).with_name("wisp")
PATIENCE = 900.0
"""Seconds until the service listens, or has reloaded: the first time, all components are built and compiled."""

STOP_LIMIT = 30.0

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what must be answered."""

    name: str
    body: bytes
    status: int
    answer: dict[str, Any]

    @property
    def kind(self) -> str:
        """The content type of the answer."""
        return "application/json" if self.status == http.HTTPStatus.OK else "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    kind: str | None
    content: object
    seconds: float

    def fits(self, case: Case) -> bool:
        """Whether it is what the table says."""
        return (self.status, self.kind, self.content) == (case.status, case.kind, case.answer)


def send(connection: http.client.HTTPConnection, path: str, case: Case) -> Answer:
    """Send one case on a connection that is kept."""
    began = time.perf_counter()
    connection.request("POST", path, case.body, {"content-type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    seconds = time.perf_counter() - began
    content: object = text.decode(errors="replace")
    with contextlib.suppress(ValueError):
        content = json.loads(text)
    return Answer(response.status, response.headers["content-type"], content, seconds)


class Service:
    """The real `wisp up` on a free port, as a context manager."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [str(WISP), "up", str(folder), "--listen", "127.0.0.1:0", "--log-format", "json"]
        self._process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
        self._changed = threading.Condition()
        self._ended = False
        self._url = ""
        self._events: list[Event] = []
        self._log: deque[str] = deque(maxlen=50)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self._url = self.event("listening")["url"]
        except RuntimeError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the service."""
        address = urlsplit(self._url)
        return http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)

    @property
    def log(self) -> Sequence[str]:
        """The last lines that it wrote."""
        return tuple(self._log)

    @property
    def events(self) -> Sequence[Event]:
        """What its supervisor has said, from the start on."""
        return tuple(self._events)

    def event(self, *names: str, since: int = 0) -> Event:
        """Wait until the supervisor says one of these, and return it; `since` leaves out the first so many events."""

        def found() -> Event | None:
            return next((event for event in self._events[since:] if event["event"] in names), None)

        with self._changed:
            self._changed.wait_for(lambda: self._ended or found(), PATIENCE)
            if event := found():
                return event
        message = f"wisp up did not say `{'` or `'.join(names)}`:\n{''.join(self._log)}"
        raise RuntimeError(message)

    def close(self) -> int:
        """Stop it as Ctrl-C would, and return its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _read(self) -> None:
        """Keep the pipe empty, and wake who waits for an event; at the pipe's end, too."""
        for line in self._process.stdout or ():
            event = json.loads(line) if '"kind":"supervisor"' in line else None
            with self._changed:
                self._log.append(line)
                if event is not None and event["kind"] == "supervisor":
                    self._events.append(event)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
