"""A digest: `sha256:` and 64 hexadecimal digits, the name of a content."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

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


Digest: TypeAlias = Annotated[
    str, AfterValidator(parse_digest), Field(json_schema_extra={"pattern": DIGEST_PATTERN})
]
"""A string that has been checked to be a digest."""
