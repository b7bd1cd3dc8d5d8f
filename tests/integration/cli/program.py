"""The program `wisp`, run to its end the way a shell runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


@contextmanager
def serving(
    command: Sequence[str | Path],
    *,
    folder: Path,
    printed: list[str] | None = None,
    ready: str = '"event":"listening"',
) -> Iterator[str]:
    """Run a command that is, or becomes, `wisp up`, while the block runs; gives the URL once it listens, and has said what `ready` is.

    How long that takes is up to the compilers, so the test's own time limit decides. What it prints, all of it at the end, is added to
    `printed`.
    """
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = [] if printed is None else printed
    try:
        yield _url(process, said, ready)
    finally:
        process.send_signal(signal.SIGTERM)
        said.append(process.stdout.read() if process.stdout else "")
        process.wait(30)
        process.communicate()  # closes the pipe


_SCREEN = re.compile(r"^ +(http://\S+)  ready in ")


def _url(process: subprocess.Popen[str], said: list[str], ready: str) -> str:
    """Wait for the line of the log, or of the first screen, that says where it listens."""
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        said.append(line)
        if '"event":"listening"' in line:
            url = str(json.loads(line)["url"])
        if ready in line:
            return url
        if found := _SCREEN.match(line):
            return found[1]
    pytest.fail(f"it does not serve:\n{''.join(said)}")
