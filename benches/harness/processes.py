"""Processes: starting, ending, and what they have used of the processors."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STOP_LIMIT = 15.0
"""Seconds in which a server must end when it is asked to."""

TICKS = os.sysconf("SC_CLK_TCK")


def environment() -> Mapping[str, str]:
    """Return our environment without what would make Python slower to start than it is for users."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextmanager
def running(
    command: Sequence[str | Path], output: Path, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; what it says goes to a file."""
    with output.open("wb") as stream:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(),
            **options,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process that we have started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def processor_seconds(pid: int) -> float:
    """Return what a process and its children, and theirs, have used so far."""
    total = 0.0
    for one in (pid, *children(pid)):
        try:
            fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def children(pid: int) -> Iterator[int]:
    """Give the children of a process, and theirs."""
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text(encoding="utf-8").split():
            yield int(child)
            yield from children(int(child))


def memory(pid: int) -> int:
    """Return the bytes of memory of a process and its children, and theirs; of what is shared, each has its share."""
    return _rolled_up(pid, "Pss:")


def anonymous(pid: int) -> int:
    """Return how many of these bytes are of no file, so that they cannot be dropped and read again."""
    return _rolled_up(pid, "Pss_Anon:")


def _rolled_up(pid: int, field: str) -> int:
    total = 0
    for one in (pid, *children(pid)):
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(field))
    return total * 1024
