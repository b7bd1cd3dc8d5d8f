"""Finding `wisp-worker`, the program of a worker process.

It is a distribution of its own that installs its binary beside the interpreter's. A worker of another version than ours
would misread the control channel, so its version is asked for before it is believed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import wisp
from wisp.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "wisp-worker"
KEPT = ("RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR")
"""Variables that a worker gets of ours: how a crash is told, whom TLS trusts, where SQLite puts large temporary files. Not those
that may be secrets: a worker is told over its channel what each component was granted."""

ALLOCATOR = {"MIMALLOC_ALLOW_THP": "0"}
"""With huge pages a worker takes memory by 2 MiB: 7 MiB more when it has nothing to do, a third more with thousands of components."""

INSTALL = f"install it with: pip install wisp-worker=={wisp.__version__}"


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the worker's program. Raises HostError when there is none."""
    chosen = environment.get("WISP_WORKER")
    if chosen:
        if os.access(chosen, os.X_OK) and Path(chosen).is_file():
            return Path(chosen)
        message = f"WISP_WORKER names {chosen}, which is not a program"
        raise HostError(message, hint="unset WISP_WORKER, or let it name wisp-worker", kind="worker")
    for candidate in _places(environment):
        if os.access(candidate, os.X_OK):
            return candidate
    message = f"the program {NAME} is not installed"
    raise HostError(message, hint=INSTALL, kind="worker")


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable).parent / NAME
    yield Path(sysconfig.get_path("scripts")) / NAME
    found = shutil.which(NAME, path=environment.get("PATH"))
    if found:
        yield Path(found)


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return all variables of a worker's process."""
    return {**ALLOCATOR, **{name: ours[name] for name in KEPT if name in ours}}


async def version(binary: Path) -> str:
    """Ask the program for its version. Raises HostError when it does not answer."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(binary, "--version"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
        )
    except OSError as error:
        message = f"cannot run {binary}: {error.strerror}"
        raise HostError(message, hint=INSTALL, kind="worker") from error
    output, _ = await process.communicate()
    words = output.decode(errors="replace").split()
    if process.returncode != 0 or not words:
        message = f"{binary} --version did not answer"
        raise HostError(message, hint=INSTALL, kind="worker")
    return words[-1]


async def check(binary: Path) -> None:
    """Raise HostError unless the program has our version."""
    theirs = await version(binary)
    if theirs != wisp.__version__:
        message = f"{binary} has version {theirs}, but this is wisp {wisp.__version__}"
        raise HostError(message, hint=INSTALL, kind="worker")
