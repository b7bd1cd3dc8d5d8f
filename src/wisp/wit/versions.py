"""Versions of packages, and which of them link to each other.

Linkers take `a:b/c@0.2.1` where `@0.2.0` is wanted, because both are on one track. A track is the major version from 1 on, the minor
version below that, and the exact version for `0.0.x` and for pre-releases (as Wasmtime and wac-graph have it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version, without build metadata."""

    major: int
    minor: int
    patch: int
    pre: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `0.2.0` or `1.0.0-rc.1`.

        Raises:
            ValueError: it is neither.

        """
        found = _VERSION.fullmatch(text)
        if found is None:
            message = f"`{text}` is not a version such as 0.2.0"
            raise ValueError(message)
        return cls(int(found[1]), int(found[2]), int(found[3]), found[4] or "")

    @property
    def track(self) -> str:
        """The versions that link to each other have this in common."""
        if self.pre or (self.major == 0 and self.minor == 0):
            return str(self)
        return str(self.major) if self.major else f"0.{self.minor}"

    def next_track(self) -> Version:
        """Return the first version that promises nothing to users of this one."""
        if self.pre:
            return Version(self.major, self.minor, self.patch)
        if self.major:
            return Version(self.major + 1, 0, 0)
        return Version(0, self.minor + 1, 0) if self.minor else self.next_patch()

    def next_patch(self) -> Version:
        """Return the version that follows, with the same promises."""
        return Version(self.major, self.minor, self.patch + 1)

    def next_addition(self) -> Version:
        """Return the first version that may have more than this one."""
        if self.pre:
            return Version(self.major, self.minor, self.patch)
        return Version(self.major, self.minor + 1, 0) if self.major else self.next_patch()

    @property
    def key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        """What versions are ordered by."""
        parts = self.pre.split(".") if self.pre else []
        words = tuple((not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in parts)
        return self.major, self.minor, self.patch, not self.pre, words

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")


def track(text: str | None) -> str | None:
    """Return the track of a version; None of none."""
    return None if text is None else Version.parse(text).track


def name_on_track(name: str) -> str:
    """Return the name that linkers compare: `wasi:io/streams@0.2` for `wasi:io/streams@0.2.6`."""
    bare, mark, version = name.partition("@")
    return f"{bare}@{Version.parse(version).track}" if mark else name
