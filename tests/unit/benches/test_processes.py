"""What a tree of processes has used: measured of real ones."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness.processes import memory, processor_seconds

MEBIBYTE = 2**20

# Each tells when it is done with what is measured, and waits for the end of its input.
TREE = """
import subprocess, sys
held = bytearray(b"x" * (64 * 2**20))
if sys.argv[1] != "leaf":
    leaf = subprocess.Popen([sys.executable, "-c", sys.argv[2], "leaf"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    leaf.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
"""
SHARED = """
import mmap, os, sys
shared = mmap.mmap(-1, 64 * 2**20)
shared.write(b"x" * len(shared))
reading, writing = os.pipe()
if os.fork() == 0:
    shared[0 : len(shared)]
    os.write(writing, b"x")
    sys.stdin.read()
    os._exit(0)
os.read(reading, 1)
print("ready", flush=True)
sys.stdin.read()
"""
BUSY = """
import subprocess, sys, time
if sys.argv[1] != "leaf":
    leaf = subprocess.Popen([sys.executable, "-c", sys.argv[2], "leaf"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    leaf.stdout.readline()
while time.process_time() < 0.3:
    pass
print("ready", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@contextmanager
def running(program: str) -> Iterator[int]:
    command = [sys.executable, "-c", program, "root", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def test_memory_is_that_of_the_whole_tree() -> None:
    with running(TREE) as pid:
        used = memory(pid) / MEBIBYTE

    assert 128 < used < 128 + 64, "two hold 64 MiB each, and have an interpreter"


def test_memory_that_processes_share_is_counted_once() -> None:
    with running(SHARED) as pid:
        used = memory(pid) / MEBIBYTE

    assert 64 < used < 64 + 48, "both have mapped the same 64 MiB"


def test_processor_time_is_that_of_the_whole_tree() -> None:
    with running(BUSY) as pid:
        used = processor_seconds(pid)

    assert used >= 0.58, "two of them computed for 0.3 s; the kernel counts in hundredths"


def test_a_process_that_is_gone_has_used_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    assert memory(process.pid) == 0
    assert processor_seconds(process.pid) == 0
