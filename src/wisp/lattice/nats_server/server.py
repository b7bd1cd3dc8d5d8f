"""The embedded NATS: a `nats-server` of our own, with JetStream in a folder, for as long as we live.

The server of a lattice speaks TLS, and lets in whom the lattice's authority has signed for; both can change while it runs. One that
nobody says that of asks for a token, which lies in a file that only this user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.lattice.nats_server import room
from wisp.lattice.nats_server.guarding import Secured, configuration
from wisp.registry import files

PROGRAM: Final = "nats-server"
CONFIG_FILE: Final = "nats.conf"
PID_FILE: Final = "nats.pid"
READY: Final = b"Server is ready"
RELOADED: Final = b"Reloaded server configuration"
NOT_RELOADED: Final = b"Failed to reload server configuration: "
LISTENING: Final = re.compile(rb"Listening for client connections on .*:(\d+)")
META: Final = "_js_/_meta_"
"""Where a server of a cluster keeps what the others know too, below the folder of an account."""

START_TIMEOUT: Final = 20.0
GRACE: Final = 5.0
"""Seconds for its end, once it was asked to."""


def find() -> Path:
    """Return the program: the one that was installed beside us, or one of the machine. Raises LatticeError."""
    beside = Path(sys.executable).with_name(PROGRAM)
    if beside.is_file():
        return beside
    if found := shutil.which(PROGRAM):
        return Path(found)
    message = f"there is no {PROGRAM} on this machine"
    raise LatticeError(
        message, hint="pip install 'wisp[nats]', or say where NATS is with `wisp host --nats URL`"
    )


def token(folder: Path) -> str:
    """Return the token of the server that has this folder, the same each time. Raises ArtifactError."""
    file = folder / "token"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii").strip()
    made = secrets.token_urlsafe(24)
    files.write(file, f"{made}\n".encode())
    return made


class Server:
    """One running server. Made with `start`."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address, url: str, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.address = address
        """Where it listens."""

        self.url = url
        """Where clients on this machine connect, with the token in it if it asks for one."""

        self._reloaded: asyncio.Queue[str] = asyncio.Queue()
        """What it said of its new configuration; nothing when it took it over."""

        self._said = asyncio.create_task(room.listen(process, folder, self._hear))

    @classmethod
    async def start(cls, folder: Path, address: Address, secured: Secured | None = None) -> Server:
        """Start a server that keeps its data in this folder, and wait until it answers. Raises LatticeError, ArtifactError."""
        program = find()
        guard: Secured | str = secured if secured is not None else await asyncio.to_thread(token, folder)
        if secured is not None and secured.cluster is not None:
            await asyncio.to_thread(_refuse_data_of_one, folder)
        await asyncio.to_thread(_end_previous, folder)
        config = folder / CONFIG_FILE
        await asyncio.to_thread(files.write, config, _config(folder, address, guard))
        process = await asyncio.create_subprocess_exec(
            program,
            *("--config", str(config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
        )
        try:
            port = await _ready(process, address)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        listening = Address(address.host, port)
        scheme = "tls://" if secured else f"nats://{guard}@"
        return cls(process, listening, f"{scheme}{listening.reachable}", folder)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return await self._process.wait()

    async def reload(self, secured: Secured) -> None:
        """Let it believe others from now on, and show another certificate; who is connected and still believed stays so. Raises LatticeError, ArtifactError."""
        content = _config(self._folder, self.address, secured)
        await asyncio.to_thread(files.write, self._folder / CONFIG_FILE, content)
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(GRACE):
                reason = await self._reloaded.get()
        except TimeoutError:
            reason = "it says nothing"
        if reason:
            message = f"{PROGRAM} does not take over its new configuration: {reason}"
            raise LatticeError(message)

    async def stop(self) -> None:
        """End it; what it has acknowledged is on the disk."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._said

    def _hear(self, line: bytes) -> None:
        if RELOADED in line:
            self._reloaded.put_nowait("")
        elif NOT_RELOADED in line:
            self._reloaded.put_nowait(line.partition(NOT_RELOADED)[2].decode(errors="replace").strip())


def _refuse_data_of_one(folder: Path) -> None:
    """Refuse to let a server that was alone become one of several: it removes what the others do not know, half a minute later. Raises LatticeError."""
    data = folder / "jetstream" / "jetstream"
    if any(data.glob("*/streams/*")) and not any(data.glob(f"*/{META}")):
        message = f"NATS has kept the data in {folder} alone, and would remove them as one of several servers"
        hint = "move that folder away, and have hosts write back what they remember: `wisp lattice restore`"
        raise LatticeError(message, hint=hint)


def _end_previous(folder: Path) -> None:
    """End the server that a process before us has left behind, because it was killed: two cannot share a folder."""
    try:
        pid = int((folder / PID_FILE).read_text(encoding="ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if os.fsencode(folder / CONFIG_FILE) not in words:
        return
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], GRACE)
        finally:
            os.close(handle)


def _config(folder: Path, address: Address, guard: Secured | str) -> bytes:
    pid = json.dumps(str(folder / PID_FILE))
    return f"pid_file: {pid}\n{configuration(folder, address, guard)}".encode()


async def _ready(process: asyncio.subprocess.Process, address: Address) -> int:
    """Wait until it answers, and return the port."""
    said: list[str] = []
    port = address.port
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while line := await _line(process):
                if found := LISTENING.search(line):
                    port = int(found[1])
                if READY in line:
                    return port
                said.append(line.decode(errors="replace").strip())
    except TimeoutError:
        said.append(f"it was not ready within {START_TIMEOUT:g} s")
    reason = said[-1] if said else "it said nothing"
    message = f"{PROGRAM} does not start at {address}: {reason}"
    raise LatticeError(
        message, hint="is another one running there? --nats-listen HOST:PORT chooses another address"
    )


async def _line(process: asyncio.subprocess.Process) -> bytes:
    return b"" if process.stderr is None else await process.stderr.readline()
