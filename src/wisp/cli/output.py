"""What the commands print with: colours only on a terminal, progress on stderr, sizes and times for people."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from wisp.errors import WispError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wisp.cli.prepared import PreparedLink

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024
_SECOND = 1.0
_MINUTE = 60.0


def coloured(stream: TextIO) -> bool:
    """Whether colours belong on this stream: a terminal that can, and nobody said no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, *, stream: TextIO) -> str:
    """Colour a text, if the stream is one for colours."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if coloured(stream) else text


def size(count: int) -> str:
    """Write a number of bytes: `17.9 MiB`."""
    value = float(count)
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return str(count)


def duration(seconds: float) -> str:
    """Write a duration: `12 ms`, `3.4 s`, `2 min 5 s`."""
    if seconds < _SECOND:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def short(path: Path) -> str:
    """Write a path as a person would: relative when it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def columns(rows: Iterable[Sequence[str]], *, indent: int = 2) -> list[str]:
    """Align rows of cells; the last cell of a row may be as long as it likes."""
    table = [tuple(row) for row in rows]
    count = max((len(row) for row in table), default=0)
    widths = [max((len(row[i]) for row in table if i < len(row) - 1), default=0) for i in range(count)]
    lines = []
    for row in table:
        cells = [cell.ljust(widths[i]) if i < len(row) - 1 else cell for i, cell in enumerate(row)]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines


def link_rows(links: Iterable[PreparedLink]) -> list[tuple[str, str, str, str]]:
    """Write links as rows: which component, to which other, through what, and how it was decided."""
    return [
        (link.component, f"-> {link.provider}", link.interface, f"{link.mode}: {link.reason}")
        for link in links
    ]


class Progress:
    """Tells on stderr what is going on, from any thread.

    On a terminal the latest sentence stands on one line and makes room for the next; elsewhere, in the log of a
    build machine, every sentence is a line of its own.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._shown = False

    def report(self, message: str) -> None:
        """Tell what is being done now."""
        if self._quiet:
            return
        with self._lock:
            if self._live:
                width = shutil.get_terminal_size().columns - 1
                self._stream.write(f"\r\x1b[2K{message[:width]}")
                self._shown = True
            else:
                self._stream.write(f"{message}\n")
            self._stream.flush()

    def tick(self, message: str) -> None:
        """Tell how far it is, where the next sentence takes the place of this one."""
        if self._live:
            self.report(message)

    def say(self, message: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._wipe()
            self._stream.write(f"{message}\n")
            self._stream.flush()

    def close(self) -> None:
        """Remove the passing line."""
        with self._lock:
            self._wipe()
            self._stream.flush()

    def _wipe(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[2K")
            self._shown = False


def deliver(text: str, target: Path | None) -> None:
    """Write a text to a file, and say so; without a file, to standard output.

    Raises:
        WispError: the file cannot be written.

    """
    if target is None:
        sys.stdout.write(text)
        return
    write(target, text.encode())
    print(f"wrote {short(target)}", file=sys.stderr)


def write(target: Path, content: bytes) -> None:
    """Write a file that the user asked for, whole or not at all.

    Raises:
        WispError: it cannot be written.

    """
    from wisp.manifest import files  # noqa: PLC0415 - most commands write nothing

    try:
        files.write(target, content)
    except OSError as error:
        message = f"cannot write {short(target)}: {error.strerror}"
        raise WispError(message) from error
