"""Which versions of an app of a registry stay on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wisp.cli import remote

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from wisp.cli import remote
remote._keep_few(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def versions(tmp_path: Path) -> list[Path]:
    """Six versions, the oldest first."""
    made = [tmp_path / "apps" / str(number) for number in range(6)]
    for number, version in enumerate(made):
        version.mkdir(parents=True)
        (version / "wisp.toml").write_text("")
        os.utime(version, (number, number))
    return made


@pytest.fixture(autouse=True)
def held_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_HELD", {})


def test_the_versions_that_were_used_last_stay(versions: list[Path]) -> None:
    remote._keep_few(versions[2])

    assert [version.name for version in versions if version.exists()] == ["2", "4", "5"]
    assert sorted(path.name for path in versions[0].parent.iterdir()) == ["2", "4", "5"]


def test_a_version_that_another_process_serves_stays(versions: list[Path]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, versions[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        os.utime(versions[0], (0, 0))  # used first of all
        for name in ("6", "7"):
            (versions[0].parent / name).mkdir()

        remote._keep_few(versions[5])
        held = versions[0].exists()
        process.communicate()

    remote._keep_few(versions[5])
    assert (held, versions[0].exists()) == (True, False)
