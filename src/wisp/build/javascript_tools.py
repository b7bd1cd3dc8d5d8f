"""Node, npm, and the tools of each JavaScript engine, which npm installs into the cache by a lock file that wisp ships."""

from __future__ import annotations

import fcntl
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.build import guests, process
from wisp.build.builder import Report, Tool
from wisp.errors import ToolchainError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED: Final = guests.FOLDER / "js" / "toolchain"
OLDEST_NODE: Final = (20, 19)
INSTALL: Final = "install Node.js 20.19 or later with npm, from your system's packages or nodejs.org"


def needed() -> Sequence[Tool]:
    """Return node and npm, as they are here."""
    return tuple(_tool(name) for name in ("node", "npm"))


def _tool(name: str) -> Tool:
    program = process.find(name)
    found = None if program is None else process.version(program)
    numbers = tuple(int(part) for part in re.findall(r"\d+", found or "")[:2])
    usable = bool(numbers) and (name != "node" or numbers >= OLDEST_NODE)
    required = f">= {'.'.join(map(str, OLDEST_NODE))}" if name == "node" else "any"
    return Tool(name, required, found, INSTALL, usable)


def require(component: str) -> None:
    """Refuse to go on without node and npm.

    Raises:
        ToolchainError: one is missing or too old.

    """
    for tool in needed():
        if not tool.usable:
            state = "is not installed" if tool.found is None else f"is too old: {tool.found}"
            message = f"{tool.name} {state}, and JavaScript components need {tool.required}"
            raise ToolchainError(message, component=component, tool=tool.name, install=tool.install)


def node() -> Path:
    """Return node; `require` has found it."""
    return process.find("node") or Path("node")


def npm(*arguments: str) -> list[str]:
    """Return a command line of npm."""
    return [str(process.find("npm") or "npm"), *arguments]


def install(engine: str, component: str, report: Report) -> Path:
    """Return the folder with an engine's tools, which are installed at their first use.

    Raises:
        ToolchainError: npm cannot install them.

    """
    shipped = SHIPPED / engine
    key = guests.digest(shipped, SHIPPED / "build")[:16]
    folder = Cache.open().folder("toolchains") / f"javascript-{engine}-{key}"
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            report(f"{component}: installing the tools of {engine} with npm, once")
            _install(shipped, folder, component)
    return folder


def _install(shipped: Path, folder: Path, component: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".installing-") as temporary:
        partial = Path(temporary, "tools")
        shutil.copytree(shipped, partial, ignore=shutil.ignore_patterns("node_modules"))
        shutil.copyfile(SHIPPED / "build" / "build.mjs", partial / "build.mjs")
        # Not `npm ci`: the lock file does not name the native parts for every platform, and `ci` wants all or nothing.
        # What it names, `install` takes as it is named, digest included.
        command = npm("install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund")
        output = process.run(command, folder=partial)
        if output.code != 0:
            message = f"npm cannot install the tools of JavaScript: {npm_error(output.text)}"
            hint = "they come from the npm registry, once; is the network there?"
            raise ToolchainError(message, component=component, tool="npm", hint=hint)
        partial.rename(folder)


def npm_error(text: str) -> str:
    """Return npm's first sentence of substance."""
    lines = [
        line.removeprefix("npm error ").strip() for line in text.splitlines() if line.startswith("npm error ")
    ]
    return next(
        (line for line in lines if line and not line.startswith("code ")), text.strip()[-200:] or "npm failed"
    )
