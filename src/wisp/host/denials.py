"""What components asked for during a run and did not get, over all of its workers, those too that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.host.metrics import combined

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject


_KINDS: Final = ("denied", "missed")
"""What was refused, and what was not there."""


class Denials:
    """Adds up what workers that have ended had denied their components."""

    def __init__(self) -> None:
        self._total: JsonObject = {kind: [] for kind in _KINDS}

    def add(self, metrics: JsonObject) -> None:
        """Add what one worker had counted at its end."""
        self._total = combined([self._total, {kind: metrics.get(kind, []) for kind in _KINDS}])

    def entries(self) -> list[JsonObject]:
        """Return each kind of denial once: `app`, `component`, `import`, `target`, `grant`, `table`, `count`, and `missed`.

        `missed` is true of what was not refused, but is not there: a value of the configuration.
        """
        return [{**entry, "missed": kind == "missed"} for kind in _KINDS for entry in self._entries(kind)]

    def _entries(self, kind: str) -> list[JsonObject]:
        entries = self._total[kind]
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
