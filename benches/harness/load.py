"""The load: wrk, one thread, 32 connections, on the same machine as the server, so its own share is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    processor_us: float
    """Microseconds of processor time that the server took for a request."""

    memory_mib: float
    """What it had of memory at the end, in MiB: what it shares with others is counted in shares."""


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
    for port in server.ports:
        check_greeting(port)
    _wrk(server.ports, WARM_UP)
    ours, theirs, began = _used_by_children(), server.processor_seconds, time.monotonic()
    outputs = _wrk(server.ports, seconds)
    whole = (time.monotonic() - began) * (os.cpu_count() or 1)
    used = server.processor_seconds - theirs
    return Sample(
        requests_per_second=sum(_number(output, r"Requests/sec:\s+([\d.]+)") for output in outputs),
        p50_ms=max(_time(output, "50%") for output in outputs),
        p99_ms=max(_time(output, "99%") for output in outputs),
        load_generator=(_used_by_children() - ours) / whole,
        server=used / whole,
        processor_us=1e6 * used / sum(_number(output, r"(\d+) requests in") for output in outputs),
        memory_mib=server.memory / 2**20,
    )


def _wrk(ports: tuple[int, ...], seconds: int) -> list[str]:
    """Load all ports at once, with an equal share of the connections each."""
    share = CONNECTIONS // len(ports)
    commands = [
        ["wrk", "-t1", f"-c{share}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
        for port in ports
    ]
    loading = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    return [_finished(one, seconds + GRACE) for one in loading]


def _finished(loading: subprocess.Popen[str], limit: float) -> str:
    try:
        output, errors = loading.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        loading.kill()
        loading.communicate()
        raise
    failures = re.findall(r"^\s*(Non-2xx.*|Socket errors.*)$", output, re.MULTILINE)
    if loading.returncode != 0 or failures:
        message = f"void: {'; '.join(failures) or errors.strip() or output.strip()}"
        raise MeasurementError(message)
    return output


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
