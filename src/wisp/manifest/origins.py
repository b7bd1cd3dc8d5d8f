"""Where a manifest says something about a component: in a profile's table, or in the component's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.manifest.positions import positions

if TYPE_CHECKING:
    from wisp.manifest.models import Manifest
    from wisp.manifest.positions import Position


class Origins:
    """The places of one manifest; none of one that has no file, or whose file is not TOML any more."""

    def __init__(self, manifest: Manifest, profile: str | None) -> None:
        """Read the file once."""
        self._tables = ([("profile", profile)] if profile else []) + [()]
        try:
            self._places = positions(manifest.path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            self._places = {}

    def of(self, component: str, *keys: str | int) -> Position | None:
        """Return where the value at these keys of a component's table stands, or else the nearest table around it."""
        for length in range(len(keys), -1, -1):
            for table in self._tables:
                place = self._places.get((*table, "component", component, *keys[:length]))
                if place is not None:
                    return place.key
        return None
