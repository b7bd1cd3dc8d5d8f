"""Lines of a log as people read them, made of those that programs read (`crates/host/src/telemetry/line.rs` writes both)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS: Final = ("trace", "debug", "info", "warning", "error", "critical")
_DIM, _RED, _GREEN, _YELLOW = 2, 31, 32, 33
_OK, _CLIENT, _SERVER = 200, 400, 500


def parsed(line: bytes | str) -> dict[str, Any] | None:
    """Read a line; None if it is not one of ours."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "time" in found else None


def severity(line: Mapping[str, Any]) -> int:
    """Return how bad a line is: its place in `LEVELS`."""
    level = {"warn": "warning"}.get(line.get("level", ""), line.get("level", "info"))
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


class Text:
    """Writes lines as text, in colours or without."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def write(self, line: Mapping[str, Any]) -> str:
        """Write a line, without its end."""
        clock = self._paint(_DIM, _clock(str(line["time"])))
        write = {"access": self._access, "supervisor": self._supervisor, "worker": self._worker}
        return f"{clock} {write.get(str(line.get('kind')), self._said)(line)}"

    def _access(self, line: Mapping[str, Any]) -> str:
        status, aborted = int(line["status"]), bool(line.get("aborted"))
        color = _GREEN if _OK <= status < _CLIENT else _YELLOW if _CLIENT <= status < _SERVER else _RED
        word = self._paint(_RED if aborted else color, f"{status}{' aborted' if aborted else ''}")
        took = f"{int(line['duration_us']) / 1000:.2f}ms {line['bytes_out']}B"
        request = self._paint(_DIM, str(line.get("request_id", "")))
        path = _printable(str(line["path"]))
        return f"{_component(line)} {line['method']:>4} {path} {word} {took} {request}"

    def _supervisor(self, line: Mapping[str, Any]) -> str:
        return f"supervisor  {self._level(line)}{_printable(str(line['message']))}"

    def _worker(self, line: Mapping[str, Any]) -> str:
        who = _component(line) if "component" in line else f"worker {line.get('worker', ''):<3}"
        request = f" {self._paint(_DIM, str(line['request_id']))}" if "request_id" in line else ""
        return f"{who} {self._level(line)}{_printable(str(line['message']))}{request}"

    def _said(self, line: Mapping[str, Any]) -> str:
        message = _printable(str(line.get("message", "")))
        if "stream" in line:
            mark = self._paint(_YELLOW if line["stream"] == "stderr" else _DIM, "|")
            return f"{_component(line)} {mark} {message}"
        if line.get("kind") == "denial":
            return f"{_component(line)} {self._paint(_YELLOW, 'denied')}: {message}"
        context = f"{_printable(str(line['context']))}: " if line.get("context") else ""
        level = str(line.get("level", ""))
        return f"{_component(line)} {self._paint(_color(line), level)}: {context}{message}"

    def _level(self, line: Mapping[str, Any]) -> str:
        level = str(line.get("level", "info"))
        return "" if level == "info" else f"{self._paint(_color(line), level)}: "

    def _paint(self, color: int, text: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._color and text else text


def _color(line: Mapping[str, Any]) -> int:
    bad = severity(line)
    return _RED if bad >= LEVELS.index("error") else _YELLOW if bad == LEVELS.index("warning") else _DIM


def _component(line: Mapping[str, Any]) -> str:
    return f"{line.get('component', '-'):<10}"


def _clock(time: str) -> str:
    try:
        local = datetime.fromisoformat(time).astimezone()
    except ValueError:
        return time
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def _printable(text: str) -> str:
    """Return a text in which nothing moves the cursor of a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
