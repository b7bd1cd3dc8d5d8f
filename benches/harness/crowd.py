"""Many services: components whose binaries differ, and apps of as many components as are wanted.

Each binary is the Rust service that greets, with a number in the place of the world. So it has a digest and an artifact of its own,
shares no page of memory with another, and its answer says which one it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.components import workplace
from harness.servers import GREETING, MeasurementError
from wisp.registry.artifacts import artifacts
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

BINARIES: Final = 1000


@dataclass(frozen=True, slots=True)
class Crowd:
    """An app of many components."""

    folder: Path
    count: int
    binaries: int

    def path(self, number: int) -> str:
        """Return the path at which a component answers."""
        return f"/many/{number}"

    def answer(self, number: int) -> bytes:
        """Return what it answers."""
        return greeting(number % self.binaries)


def greeting(number: int) -> bytes:
    """Return what a binary answers: as long as the greeting of which it was made."""
    return b"Hello, %05d!" % number


def variant(wasm: bytes, number: int) -> bytes:
    """Return a component that answers with a number. Raises MeasurementError when it is not known where it greets."""
    if wasm.count(GREETING) != 1:
        message = f"the component has its greeting {wasm.count(GREETING)} times, and once is needed"
        raise MeasurementError(message)
    return wasm.replace(GREETING, greeting(number))


def binaries(wasm: Path, count: int = BINARIES) -> list[Path]:
    """Make components that differ, and compile them unless that was done before."""
    folder = workplace() / "variants"
    folder.mkdir(exist_ok=True)
    cache, source = Cache.open(), wasm.read_bytes()
    made, digests = [], []
    for number in range(count):
        path, content = folder / f"{number:05}.wasm", variant(source, number)
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
        made.append(path)
        digests.append(cache.add(content))
    asyncio.run(artifacts(cache, digests))
    return made


def crowd(hello: Path, made: list[Path], count: int) -> Crowd:
    """Return an app of so many components, beside one that greets everywhere else."""
    folder = workplace() / f"crowd-{count}"
    folder.mkdir(exist_ok=True)
    app = Crowd(folder, count, len(made))
    lines = ['[app]\nname = "crowd"\n', *_component("hello", "/...", hello)]
    for number in range(count):
        lines += _component(f"one-{number}", app.path(number), made[number % len(made)])
    path, text = folder / "wisp.toml", "\n".join(lines)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return app


def _component(name: str, route: str, source: Path) -> tuple[str, str]:
    return (
        f'[[http]]\nroute = "{route}"\ncomponent = "{name}"\n',
        f'[component.{name}]\nsource = "{source}"\n',
    )
