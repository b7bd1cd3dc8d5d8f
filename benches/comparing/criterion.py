"""Runs programs made with criterion, and reads the medians that they found."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from comparing import tools

if TYPE_CHECKING:
    from pathlib import Path

BRIEF = ("--warm-up-time", "0.5", "--measurement-time", "1", "--sample-size", "30", "--noplot")
"""Short measurements, because they are repeated in turn: a machine that is busy for a while disturbs both sides."""


def run(program: Path, home: Path, name: str, only: str | None) -> None:
    """Measure everything, or what `only` matches, and keep it below `home` under a name."""
    command: list[str | Path] = [
        program,
        "--bench",
        "--save-baseline",
        name,
        *BRIEF,
        *([only] if only else []),
    ]
    tools.run(command, environment={**os.environ, "CRITERION_HOME": str(home)})


def medians(home: Path, name: str) -> dict[str, float]:
    """Return the nanoseconds of everything that was kept under a name."""
    found = {}
    for file in home.glob(f"**/{name}/benchmark.json"):
        title = json.loads(file.read_text(encoding="utf-8"))["full_id"]
        estimates = json.loads(file.with_name("estimates.json").read_text(encoding="utf-8"))
        found[title] = float(estimates["median"]["point_estimate"])
    return found
