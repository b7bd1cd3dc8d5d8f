"""Spin's manifest, `spin.toml`, read into what `wisp.toml` says.

`models` is what may be written there, `translate` says it in our words, and nothing behind that knows Spin. What has no equal,
or means something else here, becomes a note with its place (`notes`), for those who convert.
"""

from __future__ import annotations

from typing import Final

FILE_NAME: Final = "spin.toml"
"""The manifest's name in its folder."""
