"""Processors that are kept awake: a program that never ends on each, which gives way to everybody.

A processor with nothing to do sleeps, and in a virtual machine it is dear to wake it. The system charges that to the process whose message wakes, so
a server that answers a client who sleeps seems to need more time than the same server beside a client who is busy.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from harness.components import workplace
from harness.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def awake() -> Iterator[None]:
    """Keep every processor busy until the block ends, without taking time from whoever wants it (`SCHED_IDLE`)."""
    with ExitStack() as stack:
        for number in sorted(os.sched_getaffinity(0)):
            spin = [sys.executable, "-S", "-c", "while True: pass"]
            process = stack.enter_context(running(spin, workplace() / "awake.log"))
            os.sched_setaffinity(process.pid, {number})
            os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        yield
