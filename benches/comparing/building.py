"""Builds what is compared. Both sides share cargo's folder, so that only our own crates are compiled."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comparing import tools

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOT_CRITERION = {"calls"}
"""Benches of the core that another program starts."""


@dataclass(frozen=True, slots=True)
class Side:
    """One state of the repository, built."""

    name: str
    benches: Mapping[str, Path]
    """The programs of its micro-benchmarks."""

    worker: Path
    counted: Path | None
    """The worker that counts its allocations; old states have none."""


def build(name: str, root: Path, folder: Path) -> Side:
    """Build the benches and the workers of a state; the workers are copied, because the next build replaces them."""
    benches = sorted(_benches(root / "crates" / "host") - NOT_CRITERION)
    chosen = [word for bench in benches for word in ("--bench", bench)]
    built = _cargo(root, "-p", "wisp-host", *chosen)
    workers = _cargo(root, "-p", "wisp-worker", "--bin", "wisp-worker")
    worker = folder / f"wisp-worker-{name}"
    shutil.copy(workers["wisp-worker"], worker)
    counted = None
    if "counted" in _benches(root / "crates" / "worker"):
        counted = folder / f"counted-{name}"
        shutil.copy(_cargo(root, "-p", "wisp-worker", "--bench", "counted")["counted"], counted)
    return Side(name, {bench: built[bench] for bench in benches}, worker, counted)


def _benches(crate: Path) -> set[str]:
    manifest = tomllib.loads((crate / "Cargo.toml").read_text(encoding="utf-8"))
    return {bench["name"] for bench in manifest.get("bench", [])}


def _cargo(root: Path, *arguments: str) -> dict[str, Path]:
    """Build, and return the programs that came of it."""
    command = ["cargo", "build", "--release", "--locked", "--message-format", "json-render-diagnostics"]
    programs = {}
    for line in tools.run([*command, *arguments], folder=root).splitlines():
        message = json.loads(line)
        if message.get("executable"):
            programs[message["target"]["name"]] = root / message["executable"]
    return programs
