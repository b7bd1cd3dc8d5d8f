"""A NATS whose disk was full: it does not write again by itself when there is room, so it is ended then, for whoever keeps it to start it again."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FULL: Final = b"no space left on device"
MORE: Final = 1024 * 1024
"""Bytes that there must be more than when it was full: what was too little for it then is too little now."""

LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at the disk."""


async def listen(process: asyncio.subprocess.Process, folder: Path, heard: Callable[[bytes], None]) -> None:
    """Read what a server says until it ends, and pass it on; end it when it has said that its disk is full, and there is room again."""
    ending: asyncio.Task[None] | None = None
    try:
        while process.stderr is not None and (line := await process.stderr.readline()):
            heard(line)
            if FULL in line and ending is None:
                ending = asyncio.create_task(_end(process, folder))
    finally:
        if ending is not None:
            ending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ending


async def _end(process: asyncio.subprocess.Process, folder: Path) -> None:
    enough = shutil.disk_usage(folder).free + MORE
    while shutil.disk_usage(folder).free < enough:  # noqa: ASYNC110 - nobody tells when a disk has room
        await asyncio.sleep(LOOK_AGAIN)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
