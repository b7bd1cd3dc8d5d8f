"""A lattice on this machine: a nats-server and some `wisp host`, each a process with a worker, and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from harness.paths import program
from harness.processes import children, environment, stop
from harness.servers import START_LIMIT, MeasurementError, free_port
from wisp.lattice.commands import control
from wisp.lattice.commands.standing import standing
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.certificates import Wanted
from wisp.lattice.membership.identity import FOLDER, HostIdentity
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server import server
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wisp.lattice.commands.control import View

LATTICE: Final = "bench"
LIMIT: Final = 60.0
"""Seconds in which anything must have happened that is measured."""


class Hosts:
    """So many hosts and NATS, as long as the block runs."""

    def __init__(self, count: int, *, alone: bool = False) -> None:
        """Make them; each has a cache for itself if they are `alone`, as on machines of their own: it fetches and compiles."""
        self._alone = alone
        self.folder = Path(tempfile.mkdtemp(prefix="wisp-bench-"))
        self.names = [f"h{number}" for number in range(1, count + 1)]
        self.ports = {name: free_port() for name in self.names}
        self._nats, self._monitor = free_port(), free_port()
        self.url = f"nats://127.0.0.1:{self._nats}"
        self._authority = Authority.make(LATTICE)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (self.folder / "log").open("ab")

    def __enter__(self) -> Self:
        try:
            data = ("-js", "-sd", str(self.folder / "nats"))
            ports = ("-a", "127.0.0.1", "-p", str(self._nats), "-m", str(self._monitor))
            self._start("nats", server.find(), *ports, *data)
            for name in self.names:
                self.start(name)
            self.until(lambda view: len(view.hosts) == len(self.names) and view.planner)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self.names, "nats"]:
            if process := self._running.get(name):
                stop(process)
        self._log.close()
        shutil.rmtree(self.folder)

    def start(self, name: str) -> None:
        """Start a host, with a certificate of the lattice: so it passes on what it does not run."""
        self._certify(name)
        words = (
            "--name",
            name,
            "--http",
            f"127.0.0.1:{self.ports[name]}",
            "--workers",
            "1",
            "--no-access-log",
        )
        self._start(name, program("wisp"), "host", *words)

    def kill(self, name: str) -> float:
        """End a host as a power cut would, and return when that was."""
        process = self._running.pop(name)
        family = [*children(process.pid), process.pid]
        began = time.monotonic()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        return began

    def wisp(self, *words: str | Path) -> float:
        """Run a command, and return the seconds that it took."""
        began = time.monotonic()
        command = [str(program("wisp")), *map(str, words)]
        done = subprocess.run(
            command, env=self._variables(), capture_output=True, text=True, timeout=LIMIT * 2, check=False
        )
        if done.returncode != 0:
            message = f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
            raise MeasurementError(message)
        return time.monotonic() - began

    def until(self, look: Callable[[View], object]) -> View:
        """Wait until the lattice looks so."""

        async def work() -> View:
            end = time.monotonic() + START_LIMIT
            while True:
                with contextlib.suppress(
                    Exception
                ):  # NATS may be starting, and the lattice may have no host yet
                    async with connect(self.url, name="a benchmark") as connection:
                        state = await State.open(connection, LATTICE)
                        view = await control.until(
                            state, lambda view: bool(look(view)), end - time.monotonic()
                        )
                        if look(view):
                            return view
                if time.monotonic() > end:
                    message = "the lattice did not become what it should"
                    raise MeasurementError(message)
                await asyncio.sleep(0.05)

        return asyncio.run(work())

    def on(self, app: str, count: int) -> list[str]:
        """Wait until an app runs on so many hosts that are there, and return them."""

        def complete(view: View) -> bool:
            found = standing(view, app, 1)
            return found.complete and len(found.running) == count

        return [one.host for one in standing(self.until(complete), app, 1).running]

    def counted(self) -> int:
        """Return how many messages NATS has received and sent so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self._monitor, timeout=START_LIMIT)
        try:
            connection.request("GET", "/varz")
            found = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return int(found["in_msgs"]) + int(found["out_msgs"])

    def forwards(self) -> bool:
        """Whether these hosts pass on requests for what runs elsewhere."""
        view = self.until(lambda view: view.hosts)
        return all(getattr(host, "peer", None) for host in view.hosts.values())

    def _certify(self, name: str) -> None:
        identity = HostIdentity(self.folder / "state" / LATTICE / "hosts" / name / FOLDER)
        if identity.facts() is None:
            asked = identity.request(name, LATTICE)
            made = self._authority.issue(asked, Wanted(name, LATTICE))
            identity.keep(made, self._authority.certificate)

    def _start(self, name: str, *words: str | Path) -> None:
        own = {"WISP_CACHE_DIR": str(self.folder / f"cache-{name}")} if self._alone else {}
        self._running[name] = subprocess.Popen(
            list(map(str, words)),
            env={**self._variables(), **own},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def _variables(self) -> Mapping[str, str]:
        ours = {"WISP_NATS": self.url, "WISP_LATTICE": LATTICE, "WISP_STATE_DIR": str(self.folder / "state")}
        return {**environment(), **ours}


def variant(folder: Path, name: str, wasm: Path, *, components: int = 1, number: int = 0) -> Path:
    """Write an app of components that nobody has seen before: each is the same code, with bytes of its own at its end."""
    folder = folder / "apps" / f"{name}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    tables = [f'[app]\nname = "{name}"\nversion = "0.{number}.0"\n']
    for one in range(components):
        mark = json.dumps([name, number, one, time.time_ns()]).encode()
        (folder / f"{one}.wasm").write_bytes(wasm.read_bytes() + section(b"bench", mark))
        tables.append(f'[[http]]\nroute = "/{name}/{one}/..."\ncomponent = "c{one}"\n')
        tables.append(f'[component.c{one}]\nsource = "{one}.wasm"\n')
    (folder / "wisp.toml").write_text("\n".join(tables), encoding="utf-8")
    return folder


def section(name: bytes, content: bytes) -> bytes:
    """Return a custom section of a component: at most 127 bytes with its name."""
    body = bytes([len(name)]) + name + content
    return bytes([0, len(body)]) + body
