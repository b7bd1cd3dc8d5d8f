"""Programs that make peers ready: what they say is only told when they fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.paths import BENCHES
from harness.servers import MeasurementError

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
        message = f"{Path(command[0]).name} failed: {' / '.join(said[-3:])}"
        raise MeasurementError(message) from error


def reason(error: Exception) -> str:
    """Return why something could not be measured, without where this machine keeps its files: it may be told in the document."""
    if isinstance(error, subprocess.TimeoutExpired):
        words = [error.cmd] if isinstance(error.cmd, str | Path) else error.cmd
        return f"{Path(words[0]).name} did not end within {error.timeout:g} s"
    return str(error).replace(str(BENCHES.parent), ".").replace(str(Path.home()), "~")
