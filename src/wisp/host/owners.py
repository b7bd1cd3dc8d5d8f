"""Which process listens on a port: so that "port in use" can say by whom (Linux; elsewhere nobody is named)."""

from __future__ import annotations

from pathlib import Path

LISTENING = "0A"


def of_port(port: int, *, ipv6: bool = False, proc: Path = Path("/proc")) -> str | None:
    """Return "NAME (process ID)" for a process of ours that listens on the port, None when none is found."""
    tables = ["net/tcp6", "net/tcp"] if ipv6 else ["net/tcp", "net/tcp6"]
    wanted = {f"socket:[{inode}]" for table in tables for inode in _inodes(proc / table, port)}
    if not wanted:
        return None
    for process in _processes(proc):
        if _holds(process, wanted):
            return f"{_name(process)} (process {process.name})"
    return None


def _inodes(table: Path, port: int) -> list[str]:
    found = []
    for line in _text(table).splitlines()[1:]:
        columns = line.split()
        if len(columns) > 9 and columns[3] == LISTENING and columns[1].endswith(f":{port:04X}"):  # noqa: PLR2004 - column 9 is the inode
            found.append(columns[9])
    return found


def _processes(proc: Path) -> list[Path]:
    """Oldest first: a supervisor is named rather than its workers, which hold the same sockets."""
    return sorted(
        (entry for entry in proc.iterdir() if entry.name.isdecimal()), key=lambda entry: int(entry.name)
    )


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False  # another user's process, or gone
    return any(_target(descriptor) in wanted for descriptor in descriptors)


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""  # closed since it was listed


def _name(process: Path) -> str:
    return _text(process / "comm").strip() or "a process"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
