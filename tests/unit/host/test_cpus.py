from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wisp.host import cpus

if TYPE_CHECKING:
    from pathlib import Path


def machine(root: Path, group: str, files: dict[str, str]) -> Path:
    """Lay out the part of /proc and /sys that tells a process its processor quota."""
    for name, text in {"proc/self/cgroup": group, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_machine_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpus.quota(tmp_path) is None


def test_a_group_of_version_two_without_limit_has_no_quota(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/app\n", {"sys/fs/cgroup/app/cpu.max": "max 100000\n"})

    assert cpus.quota(root) is None


def test_the_quota_of_a_group_of_version_two_is_its_share_of_the_period(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/app\n", {"sys/fs/cgroup/app/cpu.max": "150000 100000\n"})

    assert cpus.quota(root) == 1.5


def test_the_tightest_group_above_the_process_counts(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/pod/app/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/pod/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/other/cpu.max": "10000 100000\n",
    }

    assert cpus.quota(machine(tmp_path, "0::/pod/app\n", files)) == 0.5


def test_the_quota_of_a_group_of_version_one_is_found_by_its_controller(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
    }
    group = "12:pids:/docker/x\n4:cpu,cpuacct:/docker/x\n"

    assert cpus.quota(machine(tmp_path, group, files)) == 2.0


def test_a_container_that_sees_its_own_group_at_the_mount_point_has_its_quota(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }

    assert cpus.quota(machine(tmp_path, "4:cpu:/docker/x\n", files)) == 0.5


@pytest.mark.parametrize("text", ["", "-1 100000", "0 100000", "100000 0", "100000", "many 100000", "\xff"])
def test_a_limit_that_makes_no_sense_is_no_limit(tmp_path: Path, text: str) -> None:
    assert cpus.quota(machine(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": text})) is None


def test_part_of_a_processor_is_one_worker(tmp_path: Path) -> None:
    assert cpus.usable(machine(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": "10000 100000"})) == 1


def test_a_quota_is_rounded_up_but_never_above_the_affinity_mask(tmp_path: Path) -> None:
    affinity = len(os.sched_getaffinity(0))

    wide = machine(tmp_path / "wide", "0::/\n", {"sys/fs/cgroup/cpu.max": "102400000 100000"})
    narrow = machine(tmp_path / "narrow", "0::/\n", {"sys/fs/cgroup/cpu.max": "110000 100000"})

    assert cpus.usable(wide) == affinity
    assert cpus.usable(narrow) == min(2, affinity)
