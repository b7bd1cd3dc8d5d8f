"""`make bench-compare`: what is wrong with BASE is said, and nothing stays behind, not even after Ctrl-C."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout of the repository")

# In the place of cargo: starts a compiler, says which one, and works until it is stopped. It would not stop the compiler.
ENDLESS = """#!/bin/sh
sleep 1000 &
echo $! >"$STARTED"
wait
"""


def _command(base: str, folder: Path) -> list[str]:
    return [sys.executable, str(ROOT / "benches" / "compare.py"), "--folder", str(folder), "--", base]


def _worktrees() -> str:
    return subprocess.run(
        ["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("base", ["no-such-branch", "", "--force", "HEAD:README.md"])
def test_a_base_that_does_not_exist_is_told_before_anything_is_built(base: str, tmp_path: Path) -> None:
    done = subprocess.run(_command(base, tmp_path), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == (
        f"compare: error: there is no revision {base!r} in this repository; BASE is a commit, a branch or a tag\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_comparison_that_is_stopped_leaves_nothing_behind(ending: signal.Signals, tmp_path: Path) -> None:
    programs, folder = tmp_path / "programs", tmp_path / "folder"
    programs.mkdir()
    folder.mkdir()
    started = tmp_path / "started"
    os.mkfifo(started)
    cargo = programs / "cargo"
    cargo.write_text(ENDLESS)
    cargo.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "STARTED": str(started)}

    with subprocess.Popen(
        _command("HEAD", folder), env=environment, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        compiler = os.pidfd_open(int(started.read_text()))  # waits until cargo has started it
        assert str(folder) in _worktrees()
        process.send_signal(ending)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "stopped, and cleaned up" in said
    assert list(folder.iterdir()) == []
    assert str(folder) not in _worktrees()
    ended, _, _ = select.select([compiler], [], [], 30)
    os.close(compiler)
    assert ended
