"""Text with names in it: `https://{{ api_host }}/users`, as Spin writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def split(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return the parts of a template: text, and the name after it; a `ValueError` if a brace is left open."""
    parts: list[tuple[str, str | None]] = []
    at = 0
    for match in _NAME.finditer(text):
        parts.append((text[at : match.start()], match[1].strip()))
        at = match.end()
    if "{{" in text[at:]:
        message = f'"{{{{" is not closed in "{text}"'
        raise ValueError(message)
    return (*parts, (text[at:], None))


def names(text: str) -> tuple[str, ...]:
    """Return the names in a template, each once."""
    return tuple(dict.fromkeys(name for _, name in split(text) if name is not None))


def fill(text: str, value: Callable[[str], str]) -> str:
    """Put values in the places of the names."""
    return "".join(part + ("" if name is None else value(name)) for part, name in split(text))
