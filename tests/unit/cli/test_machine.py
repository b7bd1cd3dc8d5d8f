"""What `wisp doctor` sees of a machine."""

from __future__ import annotations

import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wisp.cli import machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def few_open_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def found(name: str, root: Path = Path("/")) -> machine.Check:
    return next(check for check in machine.checks(root) if check.name == name)


def test_this_machine_can_run_wisp() -> None:
    assert not [check for check in machine.checks() if check.status == "missing"]


def test_what_is_not_right_says_how_to_mend_it() -> None:
    assert all(check.hint for check in machine.checks() if check.status != "ok")


@pytest.mark.usefixtures("few_open_files")
def test_few_open_files_are_noted() -> None:
    check = found("open files")

    assert check.status == "note"
    assert "ulimit -n" in check.hint


def test_a_port_in_use_is_noted_with_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        check = machine.port(listener.getsockname()[1])

    assert check.status == "note"
    assert "--listen" in check.hint


def test_a_memory_limit_of_control_groups_counts(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("268435456\n", encoding="ascii")

    check = found("memory", tmp_path)

    assert check.status == "note"
    assert check.value.startswith("256.0 MiB allowed by control groups")


def test_no_memory_limit_is_the_machine_s_memory(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n", encoding="ascii")

    assert "control groups" not in found("memory", tmp_path).value


def test_a_cache_that_is_not_there_yet_is_fine_where_it_can_be_made(tmp_path: Path) -> None:
    assert machine.cache_rights(tmp_path / "a" / "b").status == "ok"


def test_a_cache_that_others_may_write_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)

    check = machine.cache_rights(folder)

    assert check.status == "missing"
    assert check.hint == f"chmod 700 {folder}"


def test_a_cache_that_cannot_be_written_is_missing() -> None:
    # Not even root may write there.
    check = machine.cache_rights(Path("/sys/wisp"))

    assert check.status == "missing"
    assert "WISP_CACHE_DIR" in check.hint
