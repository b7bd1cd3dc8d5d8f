"""How many processors this process may use.

Two things bound it: the affinity mask, and the processor quota of the control groups that contain this process. A
container with a quota of one and a half processors on a machine of 64 gets two workers, not 64.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = Path("/")


def usable(root: Path = SYSTEM) -> int:
    """Return the number of processors to use, at least one. `root` is where `proc` and `sys` are mounted."""
    if sys.platform == "linux":
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    limit = quota(root)
    if limit is not None:
        count = min(count, math.ceil(limit))
    return max(1, count)


def quota(root: Path = SYSTEM) -> float | None:
    """Return the smallest processor quota of the control groups above this process, None when there is none."""
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    mounted = root / "sys/fs/cgroup"
    for controllers, group in _groups(root):
        if controllers == "":
            folders = [mounted]
            read = _quota_v2
        elif "cpu" in controllers.split(","):
            # Without a namespace of its own a container sees the machine's name of its group, but its own group
            # at the mount point: so both are looked at.
            folders = [mounted / "cpu", mounted / controllers]
            read = _quota_v1
        else:
            continue
        for folder in folders:
            for level in _upwards(folder, group):
                value = read(level)
                if value is not None:
                    yield value


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - hierarchy, controllers, group
            yield parts[1], parts[2]


def _upwards(folder: Path, group: str) -> Iterator[Path]:
    names = [name for name in group.split("/") if name not in {"", ".", ".."}]
    for length in range(len(names), -1, -1):
        yield folder.joinpath(*names[:length])


def _quota_v2(folder: Path) -> float | None:
    quota_text, _, period_text = _text(folder / "cpu.max").strip().partition(" ")
    return _ratio(quota_text, period_text)


def _quota_v1(folder: Path) -> float | None:
    return _ratio(_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip())


def _ratio(quota_text: str, period_text: str) -> float | None:
    """Divide, or return None for "max", "-1" and whatever else is no limit."""
    if not (quota_text.isdecimal() and period_text.isdecimal()):
        return None
    period = int(period_text)
    share = int(quota_text) / period if period else 0.0
    return share or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
