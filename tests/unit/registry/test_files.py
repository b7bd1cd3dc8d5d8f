"""Files appear whole or not at all, and one process at a time may do what takes a lock."""

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wisp.errors import ArtifactError
from wisp.registry import files

HOLD = """
import asyncio, sys
from pathlib import Path
from wisp.registry import files

async def hold():
    async with files.exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


def test_a_written_file_has_its_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    files.write(tmp_path / "folder" / "file", b"content")

    assert (tmp_path / "folder" / "file").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def fail() -> None:
        with files.replacing(target) as stream:
            stream.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_is_needed_and_how_to_get_it(tmp_path: Path, number: int) -> None:
    error = files.trouble(tmp_path / "file", OSError(number, os.strerror(number)), needed=3 * 2**20)

    assert error.message == f"there is no room for 3.0 MiB on the disk of the cache: {tmp_path}"
    assert (
        error.hint == "make room with `wisp cache prune`, or set WISP_CACHE_DIR to a folder on another disk"
    )


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ArtifactError, match=r"the cache cannot be used: .*: (Not a directory|File exists)"):
        files.write(tmp_path / "file" / "below", b"")


def test_a_file_is_too_large_for_the_limit_of_the_process(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from wisp.registry import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write(Path(sys.argv[1]), bytes(5000))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "file"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("ArtifactError there is no room for 0.0 MiB on the disk of the cache")
    assert list(tmp_path.iterdir()) == []


async def test_a_lock_is_held_by_one_task_at_a_time_and_leaves_nothing(tmp_path: Path) -> None:
    inside = 0
    most = 0

    async def enter() -> None:
        nonlocal inside, most
        async with files.exclusive(tmp_path / "locks" / "one"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(10)))

    assert most == 1
    assert list((tmp_path / "locks").iterdir()) == []


async def test_a_lock_of_another_process_is_waited_for_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert await holder.stdout.readline() == b"held\n"
    entered = asyncio.Event()

    async def enter() -> None:
        async with files.exclusive(path):
            entered.set()

    waiting = asyncio.create_task(enter())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(entered.wait(), 0.2)

    holder.kill()
    await holder.communicate()
    await asyncio.wait_for(waiting, 10)
    assert entered.is_set()


async def test_waiting_for_a_lock_can_be_given_up(tmp_path: Path) -> None:
    async with files.exclusive(tmp_path / "lock"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), files.exclusive(tmp_path / "lock"):
                pass

    async with asyncio.timeout(10), files.exclusive(tmp_path / "lock"):
        pass
