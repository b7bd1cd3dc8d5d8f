"""A running `wisp up`: the real program, in a process of its own, and everything that it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROGRAM = Path(sys.executable).with_name("wisp")
PATIENCE = 30.0
"""How long anything may take that is expected to happen, on a busy machine."""

Found = TypeVar("Found")
Line = dict[str, Any]


def environment(cache: Path, **variables: str) -> dict[str, str]:
    """Return our own environment, with another cache."""
    return {**os.environ, "WISP_CACHE_DIR": str(cache), **variables}


def finished(
    words: Sequence[str | Path], variables: Mapping[str, str], code: int
) -> subprocess.CompletedProcess[str]:
    """Run a command of wisp to its end, which must be this one."""
    command = subprocess.run(
        [PROGRAM, *map(str, words)],
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert command.returncode == code, f"{command.stdout}{command.stderr}"
    return command


class Host:
    """A process of `wisp up`. It is asked to end, and must end well, when the block does."""

    def __init__(
        self,
        *words: str | Path,
        folder: Path,
        variables: Mapping[str, str],
        listen: str | None = "127.0.0.1:0",
        through: Sequence[str] = (),
        command: Sequence[str] = ("up",),
    ) -> None:
        """Start it; `through` are the words of a program that becomes it. Another `command` than `up` says itself where it listens."""
        self.patience = PATIENCE
        self.lines: list[Line] = []
        self.text: list[str] = []
        """Lines on stdout that are not JSON."""

        self._errors: list[str] = []
        self._changed = threading.Condition()
        self._open = 2
        self.process = subprocess.Popen(
            [*through, PROGRAM, *command, *map(str, words), *(("--listen", listen) if listen else ())],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._said)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self.process.poll() is None:
                code = self.stop()
                assert code == 0, f"it ended with {code}\n{self.stderr}"
        finally:
            self.process.kill()
            self.process.wait()
            for reader in self._readers:
                reader.join()

    @property
    def stderr(self) -> str:
        """What it has written there so far."""
        return "".join(self._errors)

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        return str(self.event("listening")["url"])

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        return host.strip("[]"), int(port)

    def listens(self) -> bool:
        """Wait until it listens; false if it ends instead."""

        def look() -> str | None:
            if any(line.get("event") == "listening" for line in self.lines):
                return "listens"
            return None if self._open else "ended"

        return self.until(look, "its start or its end") == "listens"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.ended()

    def event(self, name: str, *, since: int = 0) -> Line:
        """Wait for a line of the supervisor."""
        return self.line(since=since, kind="supervisor", event=name)

    def line(self, *, since: int = 0, **fields: object) -> Line:
        """Wait for the first line that has these fields, from the so-manieth line on."""

        def look() -> Line | None:
            return next((line for line in self.lines[since:] if fields.items() <= line.items()), None)

        return self.until(look, f"a line with {fields}")

    def until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Look whenever something was said, until what is found is true."""
        end = time.monotonic() + self.patience
        with self._changed:
            while not (found := look()):
                left = end - time.monotonic()
                if left <= 0 or not self._open:
                    message = f"waited in vain for {what}\n{self.stderr}\n{self.lines[-20:]}"
                    raise AssertionError(message)
                self._changed.wait(left)
        return found

    def admin(self, page: str) -> Line:
        """Ask the admin listener."""
        url = f"{self.event('listening')['admin']}/.well-known/wisp/{page}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - it is ours
            found: Line = json.load(answer)
        return found

    def counted(self, component: str, name: str) -> int:
        """Return a counter of a component, over all workers."""
        components = {each["component"]: each for each in self.admin("metrics")["components"]}
        count: int = components[component][name]
        return count

    def until_active(self, count: int) -> None:
        """Ask until so many requests are in progress."""
        end = time.monotonic() + PATIENCE
        while (active := self.admin("metrics")["active"]) != count:
            assert time.monotonic() < end, f"{active} requests are in progress"

    def pids(self) -> list[int]:
        """Return the processes of its workers."""
        return [worker["pid"] for worker in self.admin("health")["workers"]]

    def _said(self, text: str) -> None:
        if text.startswith("{"):
            self.lines.append(json.loads(text))
        else:
            self.text.append(text.rstrip("\n"))

    def _read(self, stream: IO[str], said: Callable[[str], None]) -> None:
        with stream:
            for text in stream:
                with self._changed:
                    said(text)
                    self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
