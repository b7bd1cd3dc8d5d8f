"""Where the lines of a host's log pass on their way to standard output, so that somebody can listen to them.

Workers and supervisor write JSON into a pipe, a thread writes it out, and tells it to whoever listens. The thread looks into the lines only where
they go to a terminal as text, and keeps the last of them as they are. It does nothing but read and write, so a reader that is slow stops it and not the
supervisor; then the pipe fills, and workers leave lines out and count them, as they do without it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wisp.host.lines import Text, parsed
from wisp.host.log import STANDARD_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.host.settings import LogSettings

_PIECE: Final = 2**16
_PATIENCE: Final = 5.0
"""Seconds for the last lines, at the end: a reader that has stopped is not waited for."""

MOST_KEPT: Final = 2**19
"""Bytes of the newest lines that are kept for whoever begins to listen."""


class Relay:
    """The log of one process and its workers. Closed at its end, when nobody writes any more."""

    def __init__(self, settings: LogSettings, target: int = STANDARD_OUTPUT) -> None:
        """Begin; what was written is in `target` when `close` returns."""
        reading, self.descriptor = os.pipe()
        self.settings = replace(settings, format="json", color=False)
        """How lines have to be written into `descriptor`."""

        self._text = Text(color=settings.color) if settings.format == "text" else None
        self._target = target
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._heard: Callable[[bytes], None] | None = None
        self._thread = threading.Thread(target=self._run, args=(reading,), name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write out what is on its way; nobody may write any more."""
        os.close(self.descriptor)
        self._thread.join(_PATIENCE)

    def listen(self, heard: Callable[[bytes], None] | None) -> bytes:
        """Tell whole lines to somebody from now on, from another thread; None ends it. Returns the last lines before."""
        with self._lock:
            self._heard = heard
            return b"".join(self._kept)

    def _run(self, reading: int) -> None:
        rest = b""
        while piece := os.read(reading, _PIECE):
            whole, end, rest = (rest + piece).rpartition(b"\n")
            if end:
                self._pass(whole + end)
        if rest:
            self._pass(rest + b"\n")
        os.close(reading)

    def _pass(self, lines: bytes) -> None:
        with self._lock:
            self._kept.append(lines)
            self._size += len(lines)
            while self._size > MOST_KEPT and len(self._kept) > 1:
                self._size -= len(self._kept.popleft())
            if self._heard is not None:
                self._heard(lines)
        self._write(lines if self._text is None else self._as_text(lines, self._text))

    def _as_text(self, lines: bytes, text: Text) -> bytes:
        shown = []
        for line in lines.decode(errors="replace").splitlines():
            found = parsed(line)
            try:
                # What is no line of ours is a worker's last words, written by its runtime.
                shown.append(line if found is None else text.write(found))
            except (LookupError, ValueError, TypeError):
                shown.append(line)
        return "".join(f"{line}\n" for line in shown).encode("utf-8", errors="backslashreplace")

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._target, rest) :]
        except OSError:
            return  # nobody reads our log any more: that must not stop the service
