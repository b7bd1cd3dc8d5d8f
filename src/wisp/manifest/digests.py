"""A digest: `sha256:` and 64 hexadecimal digits, the name of a content."""

from __future__ import annotations

import re
from typing import Final

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
"""What a digest looks like, for the JSON Schema."""


def parse_digest(text: str) -> str:
    """Return the digest as it is, or raise a `ValueError` that says what one looks like."""
    if re.fullmatch(DIGEST_PATTERN, text) is None:
        message = (
            f'expected a digest such as "sha256:" and 64 hexadecimal digits in lower case, found "{text}"'
        )
        raise ValueError(message)
    return text


def is_digest(text: str) -> bool:
    """Whether a text is a digest."""
    return re.fullmatch(DIGEST_PATTERN, text) is not None
