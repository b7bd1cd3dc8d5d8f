"""What `wisp doctor` looks at on the machine itself: processors, memory, limits of this process, the port, the cache.

Nothing here changes anything. Each check is done the way the host would do the real thing (reserve address space, bind
the port, write a file), because a limit that is read may not be the one that bites.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wisp.cli import output
from wisp.host import cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

Status = Literal["ok", "note", "missing"]

PORT = 3000
_FILES_WANTED = 4096
_RESERVATION = 2**40
_LITTLE_ROOM = 2**30
_LITTLE_MEMORY = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    group: str
    name: str
    status: Status
    """`note`: wisp works, but not as well as it could, or not for everything; `missing`: it does not work."""

    value: str
    hint: str = ""


def checks(root: Path = Path("/")) -> Iterator[Check]:
    """Look at the machine. `root` is where `proc` and `sys` are mounted."""
    yield _platform()
    yield Check("machine", "processors", "ok", _processors(root))
    yield _memory(root)
    yield _open_files()
    yield _address_space()
    if sys.platform == "linux":
        yield _memfd(root)
    yield port(PORT)


def cache_rights(folder: Path) -> Check:
    """Look whether the cache can be written, and by nobody else."""
    existing = next(level for level in [folder, *folder.parents] if level.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Check("cache", "rights", "missing", f"{existing}: {error.strerror}", _cache_hint(error))
    status = folder.stat() if folder.exists() else None
    if status and status.st_uid != os.geteuid():
        return Check(
            "cache",
            "rights",
            "missing",
            f"{folder} belongs to another user",
            "set WISP_CACHE_DIR to a folder of yours",
        )
    if status and status.st_mode & 0o022:
        return Check(
            "cache",
            "rights",
            "missing",
            "others may write to it, so nothing in it is trusted",
            f"chmod 700 {folder}",
        )
    return Check("cache", "rights", "ok", "writable, by nobody else")


def cache_room(folder: Path) -> Check:
    """Look how much the cache's disk still takes."""
    existing = next(level for level in [folder, *folder.parents] if level.exists())
    free = shutil.disk_usage(existing).free
    if free < _LITTLE_ROOM:
        hint = _cache_hint(OSError(errno.ENOSPC, ""))
        return Check("cache", "room", "note", f"{output.size(free)} free", hint)
    return Check("cache", "room", "ok", f"{output.size(free)} free")


def _cache_hint(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "make room: `wisp cache prune`, or set WISP_CACHE_DIR to a folder on another disk"
    return "set WISP_CACHE_DIR to a folder that can be written"


def _platform() -> Check:
    system = os.uname()
    name = f"{system.sysname} {system.machine}"
    if system.sysname == "Linux" and system.machine in {"x86_64", "aarch64"}:
        return Check("machine", "platform", "ok", name)
    return Check(
        "machine", "platform", "note", name, "Linux on x86-64 and aarch64 is supported; this may work"
    )


def _processors(root: Path) -> str:
    usable, all_of_them, quota = cpus.usable(root), os.cpu_count() or 1, cpus.quota(root)
    words = [f"{usable} of {all_of_them} usable"]
    if quota is not None:
        words.append(f"a quota of {quota:g} from control groups")
    return f"{', '.join(words)}; as many workers"


def _memory(root: Path) -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _memory_limit(root)
    if limit is None or limit >= total:
        value, least = output.size(total), total
    else:
        value, least = (
            f"{output.size(limit)} allowed by control groups, {output.size(total)} in the machine",
            limit,
        )
    if least < _LITTLE_MEMORY:
        return Check(
            "machine",
            "memory",
            "note",
            value,
            "a component in Python takes about 60 MB to compile and 1 MB to run",
        )
    return Check("machine", "memory", "ok", value)


def _memory_limit(root: Path) -> int | None:
    """Return the smallest limit at our control group's mount point, of version 2 or 1."""
    limits = []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (root / "sys/fs/cgroup" / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits, default=None)


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    value = f"{soft} (may be raised to {'any number' if hard == resource.RLIM_INFINITY else hard})"
    if soft != resource.RLIM_INFINITY and soft < _FILES_WANTED:
        hint = f"a connection is an open file; before `wisp up`: ulimit -n {_FILES_WANTED}"
        return Check("machine", "open files", "note", value, hint)
    return Check("machine", "open files", "ok", value)


def _address_space() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limited = "" if soft == resource.RLIM_INFINITY else f" (limited to {output.size(soft)})"
    try:
        with mmap.mmap(-1, _RESERVATION, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0):
            pass
    except OSError:
        return Check(
            "machine",
            "address space",
            "note",
            f"{output.size(_RESERVATION)} cannot be reserved{limited}",
            "instances are then not pooled, which is slower; lift `ulimit -v` or the sandbox's limit",
        )
    return Check("machine", "address space", "ok", f"{output.size(_RESERVATION)} can be reserved")


def _memfd(root: Path) -> Check:
    try:
        descriptor = os.memfd_create("wisp-doctor", os.MFD_CLOEXEC)
    except OSError as error:
        filtered = "a system call filter is active" if _seccomp(root) else (error.strerror or str(error))
        hint = (
            "allow memfd_create in the sandbox's seccomp profile; without it new instances start more slowly"
        )
        return Check("machine", "memory files", "note", f"memfd_create is denied: {filtered}", hint)
    os.close(descriptor)
    return Check("machine", "memory files", "ok", "memfd_create works")


def _seccomp(root: Path) -> bool:
    try:
        text = (root / "proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(line.split()[1:] == ["2"] for line in text.splitlines() if line.startswith("Seccomp:"))


def port(number: int) -> Check:
    """Look whether a port of the loopback is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except OSError as error:
            hint = f"`wisp up --listen 127.0.0.1:{number + 80}` uses another"
            return Check("machine", f"port {number}", "note", error.strerror or "in use", hint)
    return Check("machine", f"port {number}", "ok", "free")
