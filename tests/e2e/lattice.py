"""A lattice of real programs: a nats-server, hosts, and the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.host import PATIENCE, PROGRAM, Host, environment, finished
from wisp.lattice.commands import control
from wisp.lattice.commands.standing import standing
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server import server
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from typing import TypeVar

    from tests.e2e.authority import Authority
    from wisp.lattice.nats.connection import Connection

    Found = TypeVar("Found")


class Nats:
    """A nats-server that can be killed, and started again at the same place."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", through: Sequence[str] = ()) -> None:
        """Start it; `through` are the words of a program that becomes it."""
        self.folder = folder
        self.address = address
        self._through = through
        self.port = 4222 if through else free_port(address)
        self.url = f"nats://{address}:{self.port}"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [
                *self._through,
                *(server.find(), "-a", self.address, "-p", str(self.port), "-js", "-sd", self.folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if server.READY in line:
                break
        else:
            raise AssertionError("nats-server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self.process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


class Lattice:
    """One lattice, its hosts, and who talks to it."""

    def __init__(
        self, folder: Path, cache: Path, nats: Nats | None = None, authority: Authority | None = None
    ) -> None:
        """Make one. With an authority, its hosts have certificates."""
        self.folder = folder
        self.authority = authority
        self.nats = nats or Nats(folder / "nats")
        self.hosts: dict[str, Host] = {}
        self.certified: set[str] = set()
        self._stack = ExitStack()
        self._variables = environment(
            cache, WISP_NATS=self.nats.url, WISP_LATTICE="test", WISP_STATE_DIR=str(folder / "state")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._stack.__exit__(*error)  # type: ignore[arg-type]
        finally:
            self.nats.kill()

    def start(self, name: str, *words: str, joined: bool = True) -> Host:
        """Start a host, and wait until it is part of the lattice."""
        host = self.begin_host(name, "--http", "127.0.0.1:0", *words)
        host.event("joined" if joined else "listening")
        return host

    def begin_host(self, name: str, *words: str, through: Sequence[str] = (), **variables: str) -> Host:
        """Start a host, and do not wait."""
        if self.authority is not None and name not in self.certified:
            self.certify(name)
        host = Host(
            *("--name", name, "--workers", "1", "--log-format", "json", *words),
            folder=self.folder,
            variables={**self._variables, **variables},
            listen=None,
            through=through,
            command=("host",),
        )
        self.hosts[name] = self._stack.enter_context(host)
        return host

    def certify(self, name: str, folder: Path | None = None) -> None:
        """Give a host a certificate, in place of one that it has."""
        assert self.authority is not None
        where = folder or self.folder / "state" / "test" / "hosts" / name / "identity"
        self.authority.certify(name, "test", where)
        self.certified.add(name)

    def kill(self, name: str) -> Host:
        """End a host as a power cut would: it, and its workers."""
        host = self.hosts.pop(name)
        workers = host.pids()
        host.signal(signal.SIGKILL)
        host.process.wait()
        assert workers
        return host

    def wisp(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return finished(words, self._variables, code)

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [PROGRAM, *map(str, words)],
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def json(self, *words: str) -> Any:
        return json.loads(self.wisp(*words, "--json").stdout)

    def ask(self, work: Callable[[State], Awaitable[Found]]) -> Found:
        """Do something with the state of the lattice."""

        async def connected() -> Found:
            async with self.connected("a test") as connection:
                return await work(await State.open(connection, "test"))

        return asyncio.run(connected())

    def connected(self, name: str) -> AbstractAsyncContextManager[Connection]:
        """Be connected to its NATS while a block runs."""
        return connect(self.nats.url, name=name)

    def until(self, look: Callable[[control.View], object]) -> control.View:
        """Wait until the lattice looks so."""

        async def work(state: State) -> control.View:
            view = await control.until(state, lambda view: bool(look(view)), PATIENCE)
            assert look(view), f"waited in vain: {view}"
            return view

        return self.ask(work)

    def until_complete(self, app: str, count: int) -> list[str]:
        """Wait until an app runs on so many hosts, and return them."""

        def complete(view: control.View) -> bool:
            found = standing(view, app, 1)
            return found.complete and len(found.hosts) == count == len(found.running)

        view = self.until(complete)
        return [one.host for one in standing(view, app, 1).hosts]

    def get(self, host: str, path: str = "/hello") -> tuple[int, bytes]:
        """Send a request to a host; status 0 when it does not answer."""
        return get(f"{self.hosts[host].url}{path}")

    def post(self, host: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The same with a body."""
        return get(f"{self.hosts[host].url}{path}", body)


def free_port(address: str) -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def get(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, body, timeout=10) as answer:  # noqa: S310 - it is ours
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


class Clients:
    """Somebody who asks without pause until the block ends, and keeps every answer that is not 200."""

    def __init__(self, ask: Callable[[], tuple[int, bytes]]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0
        self.failures: list[tuple[int, bytes]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            answer = self._ask()
            self.count += 1
            if answer[0] != 200:
                self.failures.append(answer)
