"""Starts the compiler's process and reads its answer."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from wisp.errors import ArtifactError, ComponentError
from wisp.native import ComponentInfo, Resources
from wisp.registry import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.errors import WispError
    from wisp.native import Profile, Strategy

_TIMEOUT_SECONDS: Final = 1800.0
"""Well over what its own limit of processor time allows on one processor."""

_ENGINE_KEY: Final = re.compile(r"(sync|async)-(cranelift|winch)-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the compiler's process said about what it wrote."""

    profile: Profile
    engine_key: str
    resources: Resources
    info: ComponentInfo


async def run(component: Path, output: Path, strategy: Strategy, *, room: int) -> Outcome:
    """Compile a component into a file, in a process of its own.

    Args:
        component: The component.
        output: The file to write.
        strategy: The compiler.
        room: About how many bytes it will take, for the message when there is no room.

    Raises:
        ComponentError: it is no component, or the compiler refuses it.
        ArtifactError: the disk is full, or the compiler broke.

    """
    # -P: a folder `wisp` where the user happens to be is not ours.
    words = ("-P", "-m", "wisp.native.compile", str(component), str(output), strategy)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            stdout, stderr = await process.communicate()
    except TimeoutError as error:
        message = f"compiling {component.name} took longer than {_TIMEOUT_SECONDS / 60:.0f} minutes"
        raise ArtifactError(message, path=component) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    answer = _answer(stdout)
    if process.returncode == 0 and answer and "profile" in answer:
        return _outcome(answer)
    if answer and "error" in answer:
        raise _refusal(answer, component=component, output=output, room=room)
    raise _broken(process.returncode or 0, stderr, component)


def _answer(stdout: bytes) -> dict[str, object] | None:
    try:
        answer = json.loads(stdout)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _outcome(answer: Mapping[str, object]) -> Outcome:
    engine_key = str(answer["engine_key"])
    # It becomes the name of a folder.
    if _ENGINE_KEY.fullmatch(engine_key) is None:
        message = f"the core names its engine `{engine_key}`"
        raise ArtifactError(message)
    return Outcome(
        profile=cast("Profile", answer["profile"]),
        engine_key=engine_key,
        resources=Resources(**cast("Mapping[str, int]", answer["resources"])),
        info=ComponentInfo.from_json(cast("Mapping[str, object]", answer["info"])),
    )


def _refusal(answer: Mapping[str, object], *, component: Path, output: Path, room: int) -> WispError:
    message, hint = str(answer["error"]), answer.get("hint")
    if answer.get("kind") == "component":
        return ComponentError(message, hint=str(hint) if hint else None, path=component)
    number = answer.get("errno")
    if isinstance(number, int):
        return files.trouble(output, OSError(number, message), needed=room)
    return ArtifactError(f"the compiler failed: {message}", path=component)


def _broken(code: int, stderr: bytes, component: Path) -> ArtifactError:
    lines = stderr.decode(errors="replace").strip().splitlines()
    said = f": {lines[-1][:400]}" if lines else ""
    if "overflowed its stack" in stderr.decode(errors="replace") or code == -signal.SIGSEGV:
        message = "the compiler fell over: the component is nested too deeply"
        return ArtifactError(message, path=component)
    if code in {-signal.SIGKILL, -signal.SIGABRT} or f"Errno {errno.ENOMEM}" in said or "MemoryError" in said:
        message = f"the compiler ran out of memory{said}"
        hint = (
            "a component in Python takes about 1 GiB to compile; stop something else, or allow more with"
            " WISP_COMPILE_MEMORY, in MiB"
        )
        return ArtifactError(message, hint=hint, path=component)
    if code == -signal.SIGXCPU:
        message = "the compiler took too long and was stopped"
        hint = "allow more processor time with WISP_COMPILE_SECONDS, if you trust the component"
        return ArtifactError(message, hint=hint, path=component)
    return ArtifactError(f"the compiler broke with exit code {code}{said}", path=component)
