"""What went wrong while a Python project was imported into its component, in the user's words and files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.build.python_project import PythonProject

_REPORT: Final = re.compile(r"AssertionError: (.*?)\n\n\nCaused by:", re.DOTALL)
_CAUSE: Final = re.compile(r"AssertionError: (.*?)(?:\n\n|\Z)", re.DOTALL)
_FRAME: Final = re.compile(r'^  File "/(\d+)/([^"]+)", line (\d+)', re.MULTILINE)
_MISSING: Final = re.compile(r"No module named '([^']+)'")

ABSENT: Final = frozenset(
    [
        "_bz2",
        "_ctypes",
        "_curses",
        "_lzma",
        "_multiprocessing",
        "_posixsubprocess",
        "_ssl",
        "_zstd",
        "bz2",
        "ctypes",
        "curses",
        "fcntl",
        "grp",
        "lzma",
        "mmap",
        "multiprocessing",
        "pwd",
        "readline",
        "resource",
        "ssl",
        "syslog",
        "termios",
        "tkinter",
        "tty",
        "venv",
    ]
)
"""Modules of the standard library that WebAssembly has not."""


def explain(text: str, project: PythonProject, component: str) -> BuildError:
    """Return the error for what componentize-py printed: the user's own exception first."""
    found = _REPORT.search(text)
    if found is None:
        return _other(text, component)
    traceback = found[1].strip()
    place = _place(traceback, project)
    headline = _headline(traceback)
    return BuildError(
        headline,
        component=component,
        file=place[0] if place else None,
        line=place[1] if place else None,
        hint=_hint(headline),
        output=_readable(traceback, project),
    )


def _headline(traceback: str) -> str:
    """Return the exception's own line: the last one that is not indented, and begins a message."""
    lines = [
        line for line in traceback.splitlines() if line and not line.startswith((" ", "During", "The above"))
    ]
    return lines[-1] if lines else "the project cannot be imported"


def _place(traceback: str, project: PythonProject) -> tuple[Path, int] | None:
    """Return the innermost line of the project that was running."""
    own = [
        (project.folder / project.roots[int(mount)] / name, int(line))
        for mount, name, line in _FRAME.findall(traceback)
        if int(mount) < len(project.roots)
    ]
    return own[-1] if own else None


def _readable(traceback: str, project: PythonProject) -> str:
    """Name files as the project names them, and leave out the frames that are ours."""
    kept: list[str] = []
    skipping = False
    for line in traceback.splitlines():
        if line.startswith("  File "):
            skipping = "wisp_entry.py" in line or "importlib" in line
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            kept.append(line)
    text = "\n".join(kept)
    for number, root in enumerate(project.roots):
        text = text.replace(f'File "/{number}/', 'File "' if root == "." else f'File "{root}/')
    return text


def _hint(headline: str) -> str | None:
    missing = _MISSING.search(headline)
    if missing is None:
        return None
    name = missing[1].partition(".")[0]
    if name in ABSENT:
        return f"`{name}` does not exist inside WebAssembly; the import has to go, or to be made optional"
    return f"declare the package that brings `{name}` in pyproject.toml or requirements.txt"


def _other(text: str, component: str) -> BuildError:
    """Return the error for a failure that is not an exception of the project: no network, a tool that broke."""
    refused = re.findall(r"^(?:error|  cause): ?(.+)$", text, re.MULTILINE)
    if refused and "componentize_py" not in text:
        message = f"componentize-py cannot be fetched: {': '.join(dict.fromkeys([refused[0], refused[-1]]))}"
        hint = "it comes from the Python package index, once; is the network there?"
        return ToolchainError(message, component=component, tool="componentize-py", hint=hint)
    cause = _CAUSE.search(text)
    headline = cause[1].strip().splitlines()[-1] if cause and cause[1].strip() else "componentize-py failed"
    return BuildError(headline, component=component, output=text.partition("\nStack backtrace:")[0])
