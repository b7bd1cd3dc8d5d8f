"""The values of secrets: from the host's environment, from files, and from commands.

They are read again for each start and each reload, go to the workers over the control channel, and are kept nowhere else. Nobody
is told more of a secret than its name: no error has a value in it, nor a part of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from wisp.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.host.settings import JsonObject

PATIENCE: Final = 30.0
"""Seconds that the command of a secret may take."""

_GRACE: Final = 5.0
"""Seconds for the end of a command that was killed: what it had started in a session of its own may hold the pipe."""

LONGEST: Final = 1 << 20
"""Bytes of a secret; what is longer is no secret but a mistake, such as a device that never ends."""


async def secrets(
    declared: Mapping[str, JsonObject],
    folder: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    patience: float = PATIENCE,
) -> dict[str, str]:
    """Return the values of secrets by name.

    Args:
        declared: Where they come from, as a locked app says.
        folder: The app's, where commands run and relative paths start.
        environment: The host's.
        patience: Seconds that each command may take.

    Raises:
        ManifestError: one is not there.

    """
    found = {}
    for name, source in declared.items():
        variable, file, command = (source[key] for key in ("environment", "file", "command"))
        if variable and variable not in environment and source["default"] is not None:
            found[name] = str(source["default"])
        elif variable:
            found[name] = _from_environment(name, str(variable), environment)
        elif file:
            found[name] = await asyncio.to_thread(_from_file, name, folder / str(file))
        else:
            found[name] = _text(
                name, await _written(name, str(command), folder, patience), "its command wrote"
            )
    return found


def _from_environment(name: str, variable: str, environment: Mapping[str, str]) -> str:
    try:
        value = environment[variable]
    except KeyError:
        message = f"there is no secret {name}: the environment variable {variable} is not set"
        hint = f"set it, or say in [secrets.{name}] where it comes from: `environment`, `file` or `command`"
        raise ManifestError(message, hint=hint) from None
    try:
        value.encode()
    except UnicodeEncodeError:
        # The error has the value in it.
        message = f"there is no secret {name}: the environment variable {variable} is not UTF-8"
        raise ManifestError(message) from None
    return value


def _from_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        message = f"there is no secret {name}: cannot read {path}: {error.strerror}"
        raise ManifestError(message) from None
    return _text(name, content, f"{path} holds")


def _text(name: str, content: bytes, what: str) -> str:
    if len(content) > LONGEST:
        message = f"there is no secret {name}: what {what} is longer than 1 MiB"
        raise ManifestError(message)
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        # The error has the bytes in it.
        message = f"there is no secret {name}: what {what} is not UTF-8"
        raise ManifestError(message) from None


async def _written(name: str, command: str, folder: Path, patience: float) -> bytes:
    """Run a command for the shell and return what it writes.

    It has no terminal, where it could wait for somebody. What it complains of may hold parts of the secret, and is dropped.
    """
    try:
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        message = f"there is no secret {name}: its command cannot be started: {error.strerror}"
        raise ManifestError(message) from None
    content: bytes | None = None
    try:
        async with asyncio.timeout(patience):
            content = await _read(process.stdout)
            code = await process.wait() if len(content) <= LONGEST else None
    except TimeoutError:
        message = f"there is no secret {name}: its command took longer than {patience:g} s"
        raise ManifestError(message) from None
    finally:
        if process.returncode is None or content is None:
            await _end(process)
    if code:
        message = f"there is no secret {name}: its command ended with {code}"
        raise ManifestError(message, hint=f"run it by hand: {command}")
    return content


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    content = b""
    while stream is not None and len(content) <= LONGEST and (piece := await stream.read(LONGEST + 1)):
        content += piece
    return content


async def _end(process: asyncio.subprocess.Process) -> None:
    """End all that a command has started; it may have ended itself, and something that it started not."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # What it has written already must be read: asyncio waits for the end of the pipe, too.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.communicate()
