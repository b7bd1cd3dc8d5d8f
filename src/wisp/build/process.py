"""Running a tool: its output is captured, and shown only when it fails."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from wisp.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOREIGN = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PIP_TARGET",
    "UV_PYTHON",
)
"""Variables of the caller's Python that would lead a tool into the caller's environment."""

_OFFLINE = "the network was disabled"
"""What uv says when it may not ask for what it has not."""

_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool that has ended left behind."""

    code: int
    """Its exit code; negative when a signal ended it."""

    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it said, for people."""
        return "\n".join(part.rstrip() for part in (self.stdout, self.stderr) if part.strip())


def run(command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> Output:
    """Run a tool to its end, without input.

    Args:
        command: The program and its arguments; never through a shell.
        folder: The tool's working directory.
        environment: All of its variables; `tool_environment()` when not given.

    Raises:
        ToolchainError: there is no such program.

    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=tool_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        message = f"{command[0]} cannot be started: {error.strerror or error}"
        raise ToolchainError(message, tool=command[0]) from error
    with process:
        _running.add(process)
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            _running.discard(process)
    return Output(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def run_fetched(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Output:
    """Run a pinned tool of `uv_tool` or `uv_python`; the package index is asked only when the tool is not here yet.

    Left to itself, uv asks the index again whenever its answer is older than ten minutes, and fails without it.

    Raises:
        ToolchainError: there is no such program.

    """
    output = run(command, folder=folder, environment={**environment, "UV_OFFLINE": "1"})
    absent = output.code != 0 and _OFFLINE in output.stderr
    return run(command, folder=folder, environment=environment) if absent else output


def interrupt() -> None:
    """Ask every tool that runs now, in whatever thread, to end: nobody waits for what it makes any more.

    Ctrl-C in a terminal reaches tools by itself; a signal to this process alone does not.
    """
    for process in tuple(_running):
        process.terminate()


def tool_environment(**changes: str) -> dict[str, str]:
    """Return this process's variables without those that name its own Python, and with these changes."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"} | changes


def uv(*arguments: str) -> list[str]:
    """Return the command line of the uv that wisp brings along."""
    from uv import find_uv_bin  # noqa: PLC0415 - only builds that need uv pay for it

    return [find_uv_bin(), *arguments]


def uv_tool(requirement: str, program: str, *arguments: str) -> list[str]:
    """Return the command line of a program that a pinned package of PyPI brings; uv installs it at its first use."""
    return uv("tool", "run", "--python", sys.executable, "--from", requirement, program, *arguments)


def uv_python(requirement: str, *arguments: str) -> list[str]:
    """Return the command line of a Python that has a pinned package of PyPI: `python -m <its module>`."""
    return uv("run", "--no-project", "--python", sys.executable, "--with", requirement, "python", *arguments)


def find(program: str) -> Path | None:
    """Return the program that a shell would start, as an absolute path."""
    found = which(program)
    return None if found is None else Path(found).absolute()


def version(program: Path, *arguments: str) -> str | None:
    """Return the first line that a program says when it is asked for its version; None when it fails."""
    try:
        output = run([str(program), *(arguments or ("--version",))], folder=Path.cwd())
    except ToolchainError:
        return None
    return output.text.splitlines()[0].strip() if output.code == 0 and output.text else None


@functools.cache
def identity(program: Path) -> str:
    """Return what changes when a program is replaced by another version, without starting it: for fingerprints."""
    try:
        real = program.resolve()
        status = real.stat()
    except OSError:
        return f"{program}: absent"
    return f"{real}:{status.st_size}:{status.st_mtime_ns}"
