"""Another state of the repository beside this one, for as long as it is needed."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class RevisionError(Exception):
    """What is to be compared with does not exist."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of this repository."""

    commit: str
    title: str

    def __str__(self) -> str:
        return f"{self.commit[:10]} ({self.title})"


def resolve(root: Path, name: str) -> Revision:
    """Return the commit of that name. Raises RevisionError."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode != 0 or not name:
        message = f"there is no revision {name!r} in this repository; BASE is a commit, a branch or a tag"
        raise RevisionError(message)
    commit = found.stdout.strip()
    return Revision(commit, _git(root, "show", "--no-patch", "--format=%s", commit).stdout.strip())


@contextmanager
def checked_out(root: Path, revision: Revision, parent: Path) -> Iterator[Path]:
    """Check a commit out below a folder; at the end of the block it is gone, however that comes."""
    folder = parent / f"compare-{os.getpid()}"
    try:
        added = _git(root, "worktree", "add", "--quiet", "--detach", str(folder), revision.commit)
        if added.returncode != 0:
            message = f"{revision} cannot be checked out: {added.stderr.strip()}"
            raise RevisionError(message)
        yield folder
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))
        _git(root, "worktree", "prune")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In a group of its own, so that Ctrl-C does not end what cleans up.
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False, process_group=0
    )
