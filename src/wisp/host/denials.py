"""What components were denied during a run, over all of its workers, those too that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.host.metrics import combined

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject


class Denials:
    """Adds up the denials of workers that have ended."""

    def __init__(self) -> None:
        self._total: JsonObject = {"denied": []}

    def add(self, metrics: JsonObject) -> None:
        """Add what one worker had counted at its end."""
        self._total = combined([self._total, {"denied": metrics.get("denied", [])}])

    def entries(self) -> list[JsonObject]:
        """Return each kind of denial once: `app`, `component`, `import`, `target`, `grant`, `count`."""
        denied = self._total["denied"]
        return list(denied) if isinstance(denied, list) else []
