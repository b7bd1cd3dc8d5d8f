"""Files of the user that wisp writes: they are there whole or not at all, and one that was there stays until then."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file beside its name, and rename it. It may be read by those by whom the one that was there might be.

    What is no file (`/dev/stdout`, a pipe) is written to as it is, and a symbolic link keeps leading where it leads.

    Raises:
        OSError: it cannot be written.

    """
    target = path.resolve()
    present = _mode(target)
    if present is not None and not stat.S_ISREG(present):
        path.write_bytes(content)
        return
    beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        # Without a file that was there, the system's mask decides who may read it.
        with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, 0o666)) as stream:
            if present is not None:
                os.fchmod(stream.fileno(), stat.S_IMODE(present))
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
