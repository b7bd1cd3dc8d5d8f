"""Versions of an app: how one follows another, which there were, and what hosts count of each.

They are parts of records (`records`), with the same rule: what a newer wisp writes and we do not know is left out.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from wisp.manifest.values import Digest

WINDOW_SECONDS: Final = 5
WINDOWS: Final = 60
"""So many windows are kept: versions are compared over the last five minutes."""

MOST_VERSIONS: Final = 100


class Part(BaseModel):
    """A part of a record."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Strategy(Part):
    """How a version of an app follows another one."""

    surge: int = Field(1, ge=0)
    """How many hosts beyond those that are wanted may run the app meanwhile."""

    max_unavailable: int = Field(0, ge=0)
    """How many of those that are wanted may be changing at once. A host that changes answers with the old version until it has changed."""

    observe_ms: int = Field(5_000, ge=0)
    """How long the new version answers on its first host, beside the old one, before it goes on to others."""

    canary: int | None = Field(None, ge=1, le=99)
    """The per cent of requests that the new version gets until it is promoted."""

    automatic: bool = True
    """Whether a new version that does worse is taken back."""

    minimum: int = Field(50, ge=1)
    """Of each version so many requests must have been answered before they are compared."""

    errors: float = Field(5.0, ge=0, le=100)
    """How many per cent more of its requests may fail than of the old one's."""

    slower: float = Field(3.0, ge=1)
    """How many times as long as the old one it may take, on average."""

    keep: int = Field(10, ge=2, le=MOST_VERSIONS)
    """How many versions are remembered."""


class StrategyChanges(TypedDict, total=False):
    """What is to be changed of a strategy; the rest stays."""

    surge: int
    max_unavailable: int
    observe_ms: int
    canary: int | None
    automatic: bool
    minimum: int
    errors: float
    slower: float
    keep: int


class Window(NamedTuple):
    """What a host has counted of an app's requests in a stretch of time."""

    number: int
    """Seconds since 1970, divided by `WINDOW_SECONDS`: hosts that count at the same time have the same numbers."""

    requests: int
    failures: int
    """Answered with 5xx, or broken off."""

    duration_us: int


class Figures(Part):
    """What was counted of one version."""

    requests: int = 0
    failures: int = 0
    duration_us: int = 0

    @property
    def failing(self) -> float:
        """The per cent of requests that failed."""
        return 100 * self.failures / self.requests if self.requests else 0.0

    @property
    def mean_ms(self) -> float:
        """How long a request took on average."""
        return self.duration_us / self.requests / 1000 if self.requests else 0.0


class Comparison(Part):
    """Two versions over the same time."""

    old: Figures = Figures()
    new: Figures = Figures()


class Version(Part):
    """A version that an app has had."""

    revision: int
    digest: Digest
    version: str
    source: str | None = None
    """The reference that it was pulled by, with a digest."""

    at: int
    """When it was asked for, in milliseconds."""

    why: str | None = None
    """Why it was gone back to; None for one that was deployed."""

    figures: Comparison | None = None
    """What it was gone back to for, if that was decided by figures."""

    withdrawn: bool = False
    """Whether it was taken back for its figures."""
