"""What belongs to one machine and may go wrong there: its disk, and its wall clock."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final, Self

SOURCE: Final = Path(__file__).with_name("clock.c")


class Disk:
    """A small disk of its own below a folder, as long as the block runs. Only processes that `words` begin see it."""

    def __init__(self, folder: Path, kibibytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        mount = f'mount -t tmpfs -o size={kibibytes}k,nr_inodes=4k none "$0" && echo there && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"there\n", "we may not mount"
        self.words = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    def fill(self) -> None:
        """Leave no room, for data and for files."""
        filler = self.seen / "filler"
        filler.mkdir()
        with contextlib.suppress(OSError), (filler / "data").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (filler / str(number)).touch()

    def free(self) -> None:
        """Make room again."""
        shutil.rmtree(self.seen / "filler")

    @property
    def seen(self) -> Path:
        """Where the folder is for everybody else."""
        return Path(f"/proc/{self._holder.pid}/root{self._folder}")


class Clock:
    """The wall clock of one machine."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a process that has this clock."""
        return {"LD_PRELOAD": str(library(self._file.parent)), "FALSE_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Let it be so many seconds fast."""
        with self._file.open("r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("q", seconds))


def no_clocks() -> str | None:
    """Say why clocks cannot be set here, if they cannot."""
    return None if shutil.which("cc") else "there is no C compiler on this machine"


def library(folder: Path) -> Path:
    """Return what is preloaded, built in a folder."""
    built = folder / "clock.so"
    if not built.exists():
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(built), str(SOURCE)], check=True)
    return built
