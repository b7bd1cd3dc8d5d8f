"""The load generator of the benchmark beside wrk, which everybody knows: native hyper is loaded by both in turn.

Ours reads and compares every body, and loads several ports with one thread; wrk does neither. Who does not trust it finds here what
wrk would have said.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from harness import native, peers
from harness.load import CONNECTIONS
from harness.section import Row, Section, of_rows
from harness.servers import MeasurementError, serving

if TYPE_CHECKING:
    from harness.part import Context


TITLE: Final = (
    "native hyper, loaded by the benchmark's own load generator: requests/s, beside those under wrk"
)


def measure(context: Context) -> Section:
    """Load native hyper with each in turn."""
    if shutil.which("wrk") is None:
        row = Row(TITLE, (), "x", void="wrk is not installed")
        return of_rows([row], "load generator")
    subject, values = peers.hyper(), []
    for number in range(context.rounds):
        with serving(subject) as server:
            native.closed_loop(server.ports, native.WARM_UP, CONNECTIONS)
            found = {
                load: load(server.ports[0], context.seconds)
                for load in ((_ours, _wrk) if number % 2 else (_wrk, _ours))
            }
        values.append(found[_ours] / found[_wrk])
    row = Row(TITLE, tuple(values), "x")
    context.say(f"{row.title}: {row.told}")
    command = f"wrk -t1 -c{CONNECTIONS} -d{context.seconds}s http://127.0.0.1:PORT/"
    return of_rows([row], "load generator", [command])


def _ours(port: int, seconds: int) -> float:
    """Return requests per second."""
    seen = native.closed_loop([port], seconds, CONNECTIONS)
    return seen.requests / seen.seconds


def _wrk(port: int, seconds: int) -> float:
    """Return requests per second."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    limit = seconds + native.GRACE
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit).stdout
    failures = re.findall(r"^\s*(Non-2xx.*|Socket errors.*)$", output, re.MULTILINE)
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if failures or found is None:
        message = f"void: {'; '.join(failures) or output.strip()}"
        raise MeasurementError(message)
    return float(found[1])
