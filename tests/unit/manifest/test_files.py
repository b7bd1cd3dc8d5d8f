"""Files of the user are written whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.unit.manifest.test_lock import no_file_longer_than
from wisp.manifest import files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "types.pyi"
    target.write_bytes(b"before")

    with no_file_longer_than(100), pytest.raises(OSError, match="File too large"):
        files.write(target, bytes(1000))

    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_is_as_readable_as_the_mask_says_and_an_old_one_as_it_was(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.touch()
    old.chmod(0o640)
    mask = os.umask(0o027)
    try:
        files.write(new, b"x")
    finally:
        os.umask(mask)
    files.write(old, b"x")

    assert (stat.S_IMODE(new.stat().st_mode), stat.S_IMODE(old.stat().st_mode)) == (0o640, 0o640)


def test_a_symbolic_link_keeps_leading_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    link = tmp_path / "link"
    link.symlink_to("file")

    files.write(link, b"new")

    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write(pipe, b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
