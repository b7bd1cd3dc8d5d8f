"""Artifacts: components compiled ahead of time, the only native code that a worker loads.

An artifact's name says for which engine it is and from which component it came; beside it lies a record with what was
seen when it was written. A file is used only when, on the open descriptor, it is a regular file of ours that nobody
else may write and that has the recorded size and time. If only the time differs (the cache was copied) its whole content
is compared. Whatever else is found there, a torn write, another program's file, a record of another version, is compiled
anew and never loaded.

The compiler is a process of its own (`wisp.native.compile`), and no two processes compile the same component at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from functools import cache as remembered
from typing import TYPE_CHECKING, Final, cast

from wisp.native import ComponentInfo, Resources, engine_key
from wisp.registry import compiler, files
from wisp.registry.cache import hex_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from io import BufferedReader
    from pathlib import Path

    from wisp.native import Profile, Strategy
    from wisp.registry.cache import Cache

_SCHEMA: Final = 1
_PROFILES: Final[tuple[Profile, ...]] = ("sync", "async")
COMPILERS: Final = 2
"""How many compilers run at once: each uses all processors, and up to 1 GiB for a component in Python."""

_GROWTH: Final = 3
"""An artifact takes about so many times the room of its component."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled component, found good."""

    digest: str
    """The component's."""

    path: Path
    size: int
    profile: Profile
    strategy: Strategy
    resources: Resources
    info: ComponentInfo
    """What the component says about itself."""

    def document(self) -> Mapping[str, object]:
        """Return what workers are told of it, as JSON."""
        return {
            "path": str(self.path),
            "size": self.size,
            "profile": self.profile,
            "resources": asdict(self.resources),
        }


async def artifact(
    cache: Cache,
    digest: str,
    strategy: Strategy = "cranelift",
    *,
    report: Callable[[str], None] | None = None,
) -> Artifact:
    """Return the artifact of a component of the cache; compile it first when there is none, or none to be trusted.

    Args:
        cache: Where both are kept.
        digest: The component's.
        strategy: The compiler.
        report: Told when something has to be compiled.

    Raises:
        ComponentError: the file is no component, or the compiler refuses it.
        ArtifactError: the component is missing or damaged, the disk is full, or the compiler broke.

    """
    if found := find(cache, digest, strategy):
        return found
    async with files.exclusive(cache.root / "locks" / f"{hex_of(digest)}-{strategy}"):
        # Whoever held the lock before us may have compiled it.
        if found := find(cache, digest, strategy):
            return found
        if report:
            report(f"compiling {digest[:19]} with {strategy.capitalize()}")
        return await _compile(cache, digest, strategy)


async def artifacts(
    cache: Cache,
    digests: Iterable[str],
    strategy: Strategy = "cranelift",
    *,
    report: Callable[[str], None] | None = None,
) -> dict[str, Artifact]:
    """Return the artifacts of several components, by digest; a few compilers run at once.

    Raises:
        ComponentError, ArtifactError: as for `artifact`; the first to fail ends the others.

    """
    slots = asyncio.Semaphore(COMPILERS)

    async def one(digest: str) -> Artifact:
        async with slots:
            return await artifact(cache, digest, strategy, report=report)

    wanted = dict.fromkeys(digests)
    tasks = [asyncio.ensure_future(one(digest)) for digest in wanted]
    try:
        return dict(zip(wanted, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def find(cache: Cache, digest: str, strategy: Strategy = "cranelift") -> Artifact | None:
    """Return the artifact of a component if a good one is there. Nothing is compiled."""
    for profile in _PROFILES:
        key = _engine_key(profile, strategy)
        if found := _good(_path(cache, key, digest), digest, strategy):
            return found
    return None


def forget(cache: Cache, digest: str, strategy: Strategy = "cranelift") -> None:
    """Remove the artifact of a component, because a worker could not load it; the next call of `artifact` compiles."""
    for profile in _PROFILES:
        path = _path(cache, _engine_key(profile, strategy), digest)
        for file in (_record_of(path), path):
            with files.explained(file), contextlib.suppress(FileNotFoundError):
                file.unlink()


@remembered
def _engine_key(profile: Profile, strategy: Strategy) -> str:
    return engine_key(profile, strategy)


def _path(cache: Cache, key: str, digest: str) -> Path:
    return cache.root / "artifacts" / key / f"{hex_of(digest)}.cwasm"


def _record_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _good(path: Path, digest: str, strategy: Strategy) -> Artifact | None:
    """Return the artifact at a path if it is one to be trusted."""
    record = _record_of(path)
    try:
        data: dict[str, object] = json.loads(record.read_bytes())
        if data["schema"] != _SCHEMA or data["digest"] != digest:
            return None
        found = Artifact(
            digest=digest,
            path=path,
            size=int(cast("int", data["size"])),
            profile=cast("Profile", data["profile"]),
            strategy=strategy,
            resources=Resources(**cast("Mapping[str, int]", data["resources"])),
            info=ComponentInfo.from_json(cast("Mapping[str, object]", data["info"])),
        )
        if not _trusted(found, data):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # Its record's time is when an artifact was last used; `Cache.prune` goes by it.
    with contextlib.suppress(OSError):
        os.utime(record)
    return found


def _trusted(found: Artifact, data: Mapping[str, object]) -> bool:
    descriptor = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - it is open already
        status = os.fstat(descriptor)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not ours or status.st_mode & 0o022 or status.st_size != found.size:
            return False
        if status.st_mtime_ns == data["mtime_ns"]:
            return True
        if files.sha256(stream) != data["sha256"]:
            return False
    files.write(_record_of(found.path), _encoded({**data, "mtime_ns": status.st_mtime_ns}))
    return True


async def _compile(cache: Cache, digest: str, strategy: Strategy) -> Artifact:
    component = cache.component(digest)
    room = _GROWTH * len(await asyncio.to_thread(cache.read, digest))
    beside = files.temporary(cache.folder("artifacts") / "artifact")
    try:
        outcome = await compiler.run(component, beside, strategy, room=room)
        path = _path(cache, outcome.engine_key, digest)
        with files.explained(path, needed=room):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return await asyncio.to_thread(_keep, beside, path, digest, strategy, outcome)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _keep(beside: Path, path: Path, digest: str, strategy: Strategy, outcome: compiler.Outcome) -> Artifact:
    """Give a compiled file its name, and write the record by which it will be known."""
    with beside.open("rb") as stream:
        content, status = _sealed(stream)
    # Between the two files there is a moment without a record, never one with a wrong one.
    with contextlib.suppress(FileNotFoundError):
        _record_of(path).unlink()
    files.publish(beside, path)
    found = Artifact(
        digest=digest,
        path=path,
        size=status.st_size,
        profile=outcome.profile,
        strategy=strategy,
        resources=outcome.resources,
        info=outcome.info,
    )
    record = {
        "schema": _SCHEMA,
        "digest": digest,
        "size": status.st_size,
        "sha256": content,
        "mtime_ns": status.st_mtime_ns,
        "profile": outcome.profile,
        "resources": asdict(outcome.resources),
        "info": outcome.info.to_json(),
    }
    files.write(_record_of(path), _encoded(record))
    return found


def _sealed(stream: BufferedReader) -> tuple[str, os.stat_result]:
    os.fchmod(stream.fileno(), 0o400)
    digest = files.sha256(stream)
    os.fsync(stream.fileno())
    return digest, os.fstat(stream.fileno())


def _encoded(record: Mapping[str, object]) -> bytes:
    return f"{json.dumps(record, indent=1)}\n".encode()
