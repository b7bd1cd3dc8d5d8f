"""Programs that make peers ready: what they say is only told when they fail."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.servers import MeasurementError

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 900.0
"""Seconds for one installation."""


def run(*command: str | Path, folder: Path) -> None:
    """Run a program in a folder. Raises MeasurementError with the end of what it said."""
    try:
        subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
        )
    except subprocess.CalledProcessError as error:
        said = error.stdout.decode(errors="replace").strip().splitlines()
        message = f"{command[0]} failed: {' / '.join(said[-3:])}"
        raise MeasurementError(message) from error
