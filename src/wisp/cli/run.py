"""`wisp run`: runs a WebAssembly program as if it were one of the machine's own.

The program gets what is granted on the command line and nothing else: no folder, no variable, no network. Its standard
streams are ours. Components of WASI 0.2 and 0.3 run as they are; a preview-1 module is made a component first.

While the program runs, SIGINT has its default meaning: the process ends at once by the signal, which a shell shows as
130 and which stops a loop around it. An interpreter that waits in foreign code could not do better.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import wisp
from wisp.cli import output
from wisp.cli.parser import UsageError
from wisp.errors import ComponentError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from wisp.registry.artifacts import Artifact

_MODULE = b"\0asm\1\0\0\0"
"""How a core module starts; a component has another version there."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder of the host that the program sees."""

    host: Path
    guest: str
    read_only: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp run`."""
    parser.add_argument(
        "--env", action="append", default=[], metavar="K=V", help="a variable that the program sees"
    )
    parser.add_argument(
        "--dir",
        action="append",
        default=[],
        metavar="HOST::GUEST[:ro]",
        help="a folder that the program sees, as GUEST",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE.wasm", help="a command component, or a preview-1 program"
    )
    rest = parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="the program's own arguments"
    )
    rest.required = False  # argparse would name it beside what is really missing


def run(arguments: argparse.Namespace) -> int:
    """Run the program, and return its exit code."""
    from wisp import native  # noqa: PLC0415 - the core is loaded when it is needed

    environment = dict(_variable(text) for text in arguments.env)
    directories = [_directory(text) for text in arguments.dir]
    artifact = asyncio.run(_artifact(arguments.file))
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return native.run_command(
            artifact,
            name=arguments.file.name,
            arguments=arguments.arguments,
            environment=environment,
            directories=directories,
        )
    finally:
        signal.signal(signal.SIGINT, previous)


async def _artifact(file: Path) -> Artifact:
    from wisp.registry.artifacts import artifact  # noqa: PLC0415 - the core is loaded when it is needed

    cache = Cache.open()
    digest = _component(cache, _read(file), file)
    progress = output.Progress()
    try:
        found = await artifact(cache, digest, report=progress.report)
    finally:
        progress.close()
    if found.info.command is None:
        message = f"{file} is not a program: it does not export wasi:cli/run"
        hint = f"`wisp up {file}` serves it" if found.info.http else None
        raise ComponentError(message, hint=hint, path=file)
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except IsADirectoryError as error:
        message = f"{file} is a folder, and a program is a .wasm file"
        raise ComponentError(message, path=file, hint=f"`wisp up {file}` builds and serves an app") from error
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise ComponentError(message, path=file) from error


def _component(cache: Cache, content: bytes, file: Path) -> str:
    """Keep the component and return its digest; a module is made one first, once."""
    if content[: len(_MODULE)] != _MODULE:
        return cache.add(content)
    from wisp import native  # noqa: PLC0415 - the core is loaded when it is needed

    if "_start" not in native.inspect(content).exports:
        message = f"{file} is not a program: it is a core module that exports no `_start`"
        hint = "`wisp.Host().load_module` calls its functions from Python"
        raise ComponentError(message, hint=hint, path=file)
    inputs = hashlib.sha256(f"program of preview1, wisp {wisp.__version__}\n".encode() + content).hexdigest()
    if digest := cache.built(f"sha256:{inputs}"):
        return digest
    try:
        digest = cache.add(native.preview1_to_component(content))
    except ComponentError as error:
        message = f"{file} is not a program: {error.message}"
        raise ComponentError(message, hint=error.hint, path=file) from error
    cache.remember_build(f"sha256:{inputs}", digest)
    return digest


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        message = f"--env takes NAME=VALUE, not `{text}`"
        raise UsageError(message)
    return name, value


def _directory(text: str) -> Directory:
    host, colons, guest = text.partition("::")
    guest, read_only = guest.removesuffix(":ro"), guest.endswith(":ro")
    if not host or not colons or not guest:
        message = f"--dir takes HOST::GUEST or HOST::GUEST:ro, not `{text}`"
        raise UsageError(message, hint=f"to show it under its own name: --dir {host or '.'}::{host or '.'}")
    folder = Path(host)
    if not folder.is_dir():
        message = f"--dir: {host} is not a folder"
        raise UsageError(message)
    return Directory(folder.resolve(), guest, read_only)
