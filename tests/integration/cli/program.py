"""The program `wisp`, run to its end the way a shell runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WISP = Path(sys.executable).with_name("wisp")


def environment(**variables: str) -> dict[str, str]:
    """Our own, with this interpreter's programs first, without colours, for terminals of one width."""
    path = f"{WISP.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100", **variables}


def wisp(
    *words: str | Path, folder: Path | None = None, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `wisp` with these words, and return its exit code and what it said."""
    return subprocess.run(
        [WISP, *map(str, words)],
        cwd=folder,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
