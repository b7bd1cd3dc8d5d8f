"""What the commands that speak to OCI registries have in common: reaching them, and telling how far it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from wisp.cli import output
from wisp.cli.parser import UsageError
from wisp.cli.prepared import PrepareOptions
from wisp.manifest.references import parse_reference
from wisp.registry.cache import Cache
from wisp.registry.oci.access import Access
from wisp.registry.oci.client import Client, Progress
from wisp.registry.signing.gate import Gate

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from wisp.manifest.references import Reference

_RARELY_SECONDS: Final = 5.0
"""How often a log is told of a long transfer."""

_OFTEN_SECONDS: Final = 0.1


def accessible(
    options: PrepareOptions, report: Callable[[str], None], *, tick: Callable[[str], None] | None = None
) -> Client:
    """Return a client, as the command line wants registries to be reached.

    Args:
        options: What was said.
        report: Told how far it is.
        tick: The same, often; for a terminal.

    """
    progress = Transferred(tick, _OFTEN_SECONDS) if tick else Transferred(report, _RARELY_SECONDS)
    return Client(Access(options.insecure, options.authority), progress)


def gate(options: PrepareOptions) -> Gate:
    """Return what decides whose artifacts may come to this machine.

    Raises:
        ManifestError: the policy is wrong.

    """
    return Gate.open(options.policy, Cache.open())


def options_of(arguments: argparse.Namespace) -> PrepareOptions:
    """Return what a command was told of registries, and nothing else."""
    return PrepareOptions(insecure=tuple(arguments.insecure), authority=arguments.ca, policy=arguments.policy)


def reference_of(text: str) -> Reference:
    """Read a reference. Raises UsageError."""
    try:
        return parse_reference(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


class Transferred(Progress):
    """Tells how many bytes came or went, but not with every one."""

    def __init__(self, report: Callable[[str], None], every: float) -> None:
        self._report = report
        self._every = every
        self._last = time.monotonic()
        self._moved = 0
        self._total = 0

    def expected(self, count: int) -> None:
        """Note that so many bytes will come or go."""
        self._total += count

    def moved(self, count: int) -> None:
        """Note that so many came or went."""
        self._moved += count
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._report(f"{output.size(self._moved)} of {output.size(self._total)}")
