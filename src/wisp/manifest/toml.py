"""Writing values as TOML, on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f]')
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def write_value(value: object) -> str:
    """Write a string, number, boolean, array or table as TOML."""
    if isinstance(value, str):
        return write_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        items = ", ".join(f"{write_key(str(key))} = {write_value(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(write_value, value))}]"
    return str(value)


def write_text(text: str) -> str:
    """Write a basic string."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def write_key(key: str) -> str:
    """Write a key, quoted only where it must be."""
    return key if _BARE_KEY.fullmatch(key) else write_text(key)


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}" if match[0] in '"\\' else f"\\u{ord(match[0]):04x}"
