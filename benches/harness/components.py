"""The components that are measured, and their compiled forms for both sides.

Both sides get the same component, except for Python: `wisp build` merges the modules that componentize-py links
dynamically, which is part of what is measured. The peer gets what componentize-py made, and in a row of its own the
merged component too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.paths import GUESTS, peer_program, program
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BUILD_LIMIT = 1200.0
"""Seconds for everything that has to be built: the first time, a toolchain may have to be fetched."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component, ready for both sides."""

    name: str
    wasm: Path
    compiled: Path
    """What `wasmtime compile` made of it, with its defaults."""


@dataclass(frozen=True, slots=True)
class Components:
    """All that is measured."""

    rust_p2: Component
    rust_p3: Component
    python: Component
    """As componentize-py made it."""

    python_merged: Component
    """As `wisp build` made it."""


def prepare() -> Components:
    """Build the guests through `wisp build`, unless they are known, and compile them for the peer."""
    made = built(GUESTS)
    quick = built(GUESTS, "python-p2", "--dev")
    folder = workplace()
    return Components(
        rust_p2=compiled(folder, "rust-p2", made["rust-p2"]),
        rust_p3=compiled(folder, "rust-p3", made["rust-p3"]),
        python=compiled(folder, "python-p2", quick["python-p2"]),
        python_merged=compiled(folder, "python-p2-merged", made["python-p2"]),
    )


def workplace() -> Path:
    """Return the folder of the measured apps: always the same one, so that wisp's cache stays small and warm."""
    folder: Path = Cache.open().root / "work" / "benches"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def app(component: Component, variant: str, **instances: int) -> Path:
    """Return an app that serves the component at every path."""
    pairs = ", ".join(f"{name} = {value}" for name, value in instances.items())
    settings = (f"instances = {{ {pairs} }}",) if pairs else ()
    return app_of(component.name, variant, component.wasm, *settings)


def app_of(name: str, variant: str, wasm: Path, *settings: str) -> Path:
    """Return an app that serves a component at every path; the settings are lines of the component's table."""
    return app_of_tables(f"{name}-{variant}", wasm, (("hello", "/...", "\n".join(settings)),))


def app_of_tables(name: str, wasm: Path, components: Iterable[tuple[str, str, str]]) -> Path:
    """Return an app of components that are all made of the same: of each the name, the route and lines of its table."""
    folder = workplace() / name
    folder.mkdir(exist_ok=True)
    source = folder / "component.wasm"
    _replace(source, wasm)
    tables = [f'[app]\nname = "{name}"\nversion = "0.1.0"\n']
    for component, route, settings in components:
        tables.append(f'[[http]]\nroute = "{route}"\ncomponent = "{component}"\n')
        tables.append(f'[component.{component}]\nsource = "{source.name}"\n{settings}\n')
    manifest = "\n".join(tables)
    path = folder / "wisp.toml"
    if not path.is_file() or path.read_text(encoding="utf-8") != manifest:
        path.write_text(manifest, encoding="utf-8")
    return folder


def guests(name: str) -> dict[str, Path]:
    """Build the components of `benches/guests/NAME`, unless they are known."""
    return built(GUESTS / name)


def built(folder: Path, *arguments: str) -> dict[str, Path]:
    """Build the components of an app, or some of them, unless they are known; where each is, by name."""
    command = [str(program("wisp")), "build", str(folder), *arguments, "--json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=BUILD_LIMIT).stdout
    return {
        name: Cache.open().component(one["digest"]) for name, one in json.loads(output)["components"].items()
    }


def compiled(folder: Path, name: str, source: Path) -> Component:
    """Return a component under a name of its own, and what the peer makes of it; unless that is known."""
    wasm, machine = folder / f"{name}.wasm", folder / f"{name}.cwasm"
    changed = _replace(wasm, source)
    if changed or not machine.is_file():
        command = [str(word) for word in (peer_program(), "compile", wasm, "-o", machine)]
        subprocess.run(command, check=True, timeout=BUILD_LIMIT)
    return Component(name, wasm, machine)


def _replace(target: Path, source: Path) -> bool:
    """Copy a file unless it is there already; whether it was copied."""
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return False
    shutil.copyfile(source, target)
    return True
