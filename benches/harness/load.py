"""The load: wrk, one thread, 32 connections, on the same machine as the server, so its own share is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.processes import processor_seconds
from harness.servers import MeasurementError, check_greeting

if TYPE_CHECKING:
    from harness.servers import Server

CONNECTIONS = 32
WARM_UP = 1
GRACE = 15.0
"""Seconds that wrk may take longer than it was told."""

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one server."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    load_generator: float
    """The share of all processors that wrk took."""

    server: float
    """The share of all processors that the server took."""


def require_wrk() -> str:
    """Return wrk's version; install Debian's when it is absent and we may. Raises FileNotFoundError."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("wrk is not installed: apt-get install wrk", flush=True)
        subprocess.run(
            ["apt-get", "install", "--yes", "--quiet", "wrk"], check=False, stdout=subprocess.DEVNULL
        )
    if shutil.which("wrk") is None:
        raise FileNotFoundError("wrk, the load generator, is not installed: sudo apt-get install wrk")
    words = subprocess.run(["wrk", "--version"], check=False, capture_output=True, text=True).stdout.split()
    return words[1] if len(words) > 1 else "unknown"


def measure(server: Server, seconds: int) -> Sample:
    """Check what the server answers, warm it up, then load it. Any answer but 2xx voids the measurement."""
    check_greeting(server.port)
    _wrk(server.port, WARM_UP)
    ours, theirs, began = _used_by_children(), processor_seconds(server.process.pid), time.monotonic()
    output = _wrk(server.port, seconds)
    whole = (time.monotonic() - began) * (os.cpu_count() or 1)
    return Sample(
        requests_per_second=_number(output, r"Requests/sec:\s+([\d.]+)"),
        p50_ms=_time(output, "50%"),
        p99_ms=_time(output, "99%"),
        load_generator=(_used_by_children() - ours) / whole,
        server=(processor_seconds(server.process.pid) - theirs) / whole,
    )


def _wrk(port: int, seconds: int) -> str:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE, check=False)
    failures = re.findall(r"^\s*(Non-2xx.*|Socket errors.*)$", result.stdout, re.MULTILINE)
    if result.returncode != 0 or failures:
        message = f"void: {'; '.join(failures) or result.stderr.strip() or result.stdout.strip()}"
        raise MeasurementError(message)
    return result.stdout


def _used_by_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _number(output: str, pattern: str) -> float:
    found = re.search(pattern, output)
    if found is None:
        message = f"wrk's output was not understood: {output}"
        raise MeasurementError(message)
    return float(found[1])


def _time(output: str, percentile: str) -> float:
    """Return milliseconds."""
    found = re.search(rf"^\s*{percentile}\s+([\d.]+)(us|ms|s|m)$", output, re.MULTILINE)
    if found is None:
        message = f"wrk's output was not understood: {output}"
        raise MeasurementError(message)
    return float(found[1]) * _UNITS[found[2]]
