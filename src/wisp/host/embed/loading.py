"""From a file, bytes or an app's folder to a component that the core has loaded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.errors import BuildError, ComponentError, LinkError, ManifestError
from wisp.host.embed.component import Binding, Loaded
from wisp.host.embed.description import World
from wisp.host.embed.modules import Answers
from wisp.manifest.load import load as load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.native import EmbeddedModule, Embedding

__all__ = ["Source", "load", "load_module", "read"]

Source = str | os.PathLike[str] | bytes


async def load(
    embedding: Embedding,
    source: Source,
    imports: Mapping[str, object] | None,
    component: str | None,
    *,
    tolerant: bool = False,
) -> Loaded:
    """Compile a component, when that was not done before, and link it.

    Args:
        embedding: The core.
        source: A file, its bytes, or the folder of an app.
        imports: The objects that answer its imports.
        component: Which one of an app.
        tolerant: Whether an import that nobody answers fails when it is called, and not before.

    Raises:
        ComponentError: it is no component, or cannot be read.
        LinkError: its imports are not answered.
        ArtifactError, BuildError, ManifestError: it cannot be compiled, or the app cannot be built.

    """
    from wisp import native  # noqa: PLC0415 - loading the core takes longer than importing wisp may
    from wisp.registry.artifacts import artifact  # noqa: PLC0415 - slow to import
    from wisp.registry.cache import Cache  # noqa: PLC0415 - slow to import

    cache = Cache.open()
    name, wasm = await _read(source, component)
    digest = await asyncio.to_thread(cache.add, wasm)
    found = await artifact(cache, digest)
    described = await asyncio.to_thread(native.describe, wasm)
    binding = Binding(World.of_json(described.json()), imports or {}, tolerant=tolerant)
    program = {
        "digest": digest,
        "artifact": dict(found.document()),
        "compiler_strategy": found.strategy,
    }
    try:
        core = await asyncio.to_thread(embedding.load, described, json.dumps(program), binding)
    except LinkError as error:
        message = f"{name} cannot be linked: {error.message}"
        raise LinkError(message, hint=error.hint, interface=error.interface) from None
    return Loaded(core, binding, name)


async def _read(source: Source, component: str | None) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "a component", source
    path = Path(source)
    if folder := await asyncio.to_thread(_folder, path):
        return await _build(folder, component)
    return path.name, await asyncio.to_thread(read, path)


def read(source: Source) -> bytes:
    """Return what is in a file, or the bytes themselves.

    Raises:
        ComponentError: it cannot be read.

    """
    if isinstance(source, bytes):
        return source
    path = Path(source)
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ComponentError(message, path=path) from error


def load_module(embedding: Embedding, wasm: bytes, imports: Mapping[str, object] | None) -> EmbeddedModule:
    """Compile a core module and link it to the functions that answer its imports.

    Raises:
        ComponentError: it is no module.
        LinkError: its imports are not answered.

    """
    answers = Answers(imports or {})
    module = embedding.load_module(wasm, answers)
    answers.check()
    return module


def _folder(path: Path) -> Path | None:
    """Return the app's folder, if the path is that of an app."""
    if path.is_dir():
        return path
    return path.parent if path.name == "wisp.toml" else None


async def _build(folder: Path, component: str | None) -> tuple[str, bytes]:
    """Let `wisp compose` build and link the app, in a process of its own, and read the component that is meant."""
    name = component or await asyncio.to_thread(_entry, folder)
    command = [sys.executable, "-P", "-m", "wisp.cli.main", "compose", str(folder)]
    command += ["--component", name] if name else []
    with tempfile.TemporaryDirectory(prefix="wisp-") as place:
        made = Path(place) / "component.wasm"
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--open-imports", "--output", str(made)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
        if process.returncode != 0:
            said = err.decode(errors="replace").strip()
            message = f"the app in {folder} does not build:\n{said}"
            raise BuildError(message, output=said)
        return name or folder.name, await asyncio.to_thread(made.read_bytes)


def _entry(folder: Path) -> str | None:
    """Return the one component of an app that no other one is linked to; None where there is no manifest to say."""
    manifest = load_manifest(folder)
    if manifest is None:
        return None
    components = manifest.component
    targets = [target for each in components.values() for target in each.link.values()]
    linked = {target.component for target in targets if target.app is None}
    entries = [name for name in components if name not in linked]
    if len(entries) == 1:
        return entries[0]
    message = f"the app in {folder} has the components {', '.join(components)}"
    raise ManifestError(message, hint=f"say which: load(..., component={next(iter(entries), '')!r})")
