"""The machine and the versions: what figures mean nothing without."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import wisp
from harness.paths import peer_program

if TYPE_CHECKING:
    from collections.abc import Mapping


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def describe(versions: Mapping[str, str]) -> dict[str, str]:
    """Return what is told of the machine, in the order in which it is told."""
    every = {
        "wisp": wisp.__version__,
        "wasmtime": _version(peer_program()),
        "Python": platform.python_version(),
        **versions,
    }
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{len(os.sched_getaffinity(0))} x {_field('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(f"{name} {version}" for name, version in every.items()),
        "load average before": ", ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return platform.machine()


def _version(binary: Path) -> str:
    output = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    return output.split()[1]
