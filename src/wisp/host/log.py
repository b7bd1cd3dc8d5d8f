"""The supervisor's own log lines: rare events, written to standard output between the workers' lines.

A line is one `write`, so that it does not mix with the line of another process on the same descriptor.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from wisp.host.settings import LogSettings

Level = Literal["info", "warn", "error"]

COLORS: dict[str, str] = {"warn": "\x1b[33m", "error": "\x1b[31m"}
DIM, RESET = "\x1b[2m", "\x1b[0m"
STANDARD_OUTPUT = 1


class Log:
    """Writes the events of the supervisor, as text or as JSON."""

    def __init__(self, settings: LogSettings, descriptor: int = STANDARD_OUTPUT) -> None:
        self._settings = settings
        self._descriptor = descriptor

    def event(self, event: str, message: str, *, level: Level = "info", **details: object) -> None:
        """Write one event; `details` are fields of the JSON line, the text line has only the message."""
        now = datetime.now(UTC)
        if self._settings.format == "json":
            line = _json_line(now, level, event, message, details)
        else:
            line = _text_line(now, level, message, color=self._settings.color)
        self._write(line.encode("utf-8", errors="backslashreplace"))

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return  # nobody reads our log any more: that must not stop the service


def _json_line(now: datetime, level: Level, event: str, message: str, details: dict[str, object]) -> str:
    fields = {
        "time": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": level,
        "kind": "supervisor",
        "event": event,
        "message": message,
        **details,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _text_line(now: datetime, level: Level, message: str, *, color: bool) -> str:
    local = now.astimezone()
    clock = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    # One event is one line, whatever a tool or a guest put into the message.
    text = message.replace("\n", "\\n")
    if not color:
        return f"{clock} supervisor  {'' if level == 'info' else level + ': '}{text}\n"
    return f"{DIM}{clock} supervisor{RESET}  {COLORS.get(level, '')}{text}{RESET}\n"
