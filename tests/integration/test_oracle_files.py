"""What WASI does under wisp is what it does under `wasmtime serve`, which knows nothing of our grants and guards.

The same component gets the same script in both, each with a folder of its own that begins equal; the answers must agree line by
line, and the folders afterwards. What differs on purpose is tested where it belongs: what was not granted, limits.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.host import Host
from tests.guests.build import component
from tests.integration import wasmtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLES = {"GREETING": "hi there", "EMPTY": ""}

NAMES = ("a", "b", "c", "d/a", "d/b", "d/e/f")
ODD = (
    "d",
    "d/",
    "d/e",
    ".",
    "/",
    "..",
    "../a",
    "d/../a",
    "d/../../a",
    "link",
    "link/a",
    "a/b",
    "out",
    "out/x",
    "é",
)
PATHS = st.sampled_from(
    [f"/data/{name}" for name in (*NAMES, *NAMES, *ODD)] + ["/", "/etc/passwd", "a", "/data"]
)
TEXT = st.sampled_from(["", "x", "hello", "0123456789" * 30])
SMALL = st.integers(0, 400).map(str)


def _is_plain(line: str) -> bool:
    """Whether all paths are names of files and folders; what is wrong with others first (a slash, a link) each may say in its way."""
    paths = [word for word in line.partition(" -> ")[0].split(" ") if "/" in word]
    return {path.removeprefix("/data/") for path in paths} <= {*NAMES, "d", "d/e"}


def _line(verb: str, *words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*words).map(lambda chosen: " ".join((verb, *chosen)))


OPERATIONS = st.one_of(
    _line("write", PATHS, TEXT),
    _line("append", PATHS, TEXT),
    *(_line(verb, PATHS) for verb in ("new", "open", "read", "list", "stat", "lstat", "sync")),
    *(_line(verb, PATHS) for verb in ("mkdir", "rmdir", "unlink", "readlink")),
    _line("read-at", PATHS, SMALL, SMALL),
    _line("write-at", PATHS, SMALL, TEXT),
    _line("truncate", PATHS, SMALL),
    _line("rename", PATHS, PATHS),
    # No `link`: hard links are refused here, as docs/guides/limits.md says.
    _line(
        "symlink",
        st.sampled_from(["a", "d", "../a", "../../etc", "/etc", "/data/a", "link", "e/../.."]),
        PATHS,
    ),
    _line("age", PATHS, st.integers(1, 2_000_000_000).map(str)),
)


class Pair:
    """Both hosts, and the folder that each of them shows its guest."""

    def __init__(
        self, folders: tuple[Path, Path], connections: tuple[http.client.HTTPConnection, ...]
    ) -> None:
        self.folders = folders
        self._connections = connections

    def ask(self, *script: str) -> tuple[list[str], list[str]]:
        """Send a script to both, and return what wasmtime and wisp answered."""
        first, second = (self._answer(connection, script) for connection in self._connections)
        return first, second

    def clear(self) -> None:
        for folder in self.folders:
            _empty(folder)
            (folder / "d" / "e").mkdir(parents=True)
            (folder / "a").write_text("begin")
            (folder / "d" / "b").write_text("below")
            (folder / "link").symlink_to("d")
            (folder / "out").symlink_to("/etc")

    @staticmethod
    def _answer(connection: http.client.HTTPConnection, script: tuple[str, ...]) -> list[str]:
        connection.request("POST", "/", "\n".join(script).encode())
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == http.HTTPStatus.OK, body
        # A variable that `wasmtime serve` adds to those that it is told.
        lines = re.sub(r",INSTANCE_ID=\d+", "", body).splitlines()
        return [line if _is_plain(line) else re.sub(r"error \d+$", "error", line) for line in lines]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("oracle")
    folders = (root / "wasmtime", root / "wisp" / "data")
    for folder in folders:
        folder.mkdir(parents=True)
    guest = component("oracle")
    variables = "".join(f'{name} = "{value}"\n' for name, value in VARIABLES.items())
    (root / "wisp" / "wisp.toml").write_text(
        f"""
        app.name = "oracle"
        [[http]]
        route = "/..."
        component = "oracle"
        [component.oracle]
        source = "{guest}"
        limits = {{ timeout = "60s", files = 1000 }}
        [component.oracle.grants]
        http = ["http://127.0.0.1:*"]
        files = [{{ source = "data", mount = "/data", write = true }}]
        [component.oracle.environment]
        {variables}
        """
    )
    options = [f"--dir={folders[0]}::/data", *(f"--env={name}={value}" for name, value in VARIABLES.items())]
    with wasmtime.serving(guest, options) as first, Host(folder=root / "wisp", variables=os.environ) as host:
        second = http.client.HTTPConnection(*host.address, timeout=60)
        with contextlib.closing(second):
            yield Pair(folders, (first, second))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(("environment", "arguments"), id="environment"),
        pytest.param(("monotonic 0", "monotonic 20"), id="monotonic"),
        pytest.param(("random 0", "random 16", "random 4096"), id="random"),
    ],
)
def test_what_the_host_tells_is_the_same(pair: Pair, script: tuple[str, ...]) -> None:
    first, second = pair.ask(*script)

    assert second == first
    assert not any("error" in line for line in first)


def test_both_clocks_tell_the_time_of_the_machine(pair: Pair) -> None:
    now = int(time.time())

    first, second = pair.ask(f"wall {now}")

    assert second == first == [f"wall {now} -> near true"]


@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(script=st.lists(OPERATIONS, min_size=10, max_size=60))
def test_any_work_with_files_comes_to_the_same(pair: Pair, script: list[str]) -> None:
    pair.clear()

    first, second = pair.ask(*script)

    assert second == first
    assert _tree(pair.folders[1]) == _tree(pair.folders[0])


def test_a_request_to_the_outside_comes_back_the_same(pair: Pair) -> None:
    with _neighbour() as address:
        first, second = pair.ask(
            f"request GET http://{address}/plain",
            f"request POST http://{address}/echo a body of several words",
            f"request HEAD http://{address}/plain",
            f"request GET http://{address}/redirect",
            f"request GET http://{address}/empty",
            "request GET http://127.0.0.1:1/refused",
        )

    assert second == first
    assert "302" in first[3]
    assert first[5].endswith("error ErrorCode::ConnectionRefused")


class _Neighbour(BaseHTTPRequestHandler):
    """Answers what is compared, and shows the headers that reached it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = {"/redirect": 302, "/empty": 204}.get(self.path, 200)
        shown = sorted(name.lower() for name in self.headers if name.lower() not in {"host", "user-agent"})
        body = (
            b"" if status != http.HTTPStatus.OK else f"{self.command} {self.path} {','.join(shown)}".encode()
        )
        self._send(status, body)

    do_HEAD = do_GET  # noqa: N815 - the name that the library calls

    def do_POST(self) -> None:
        body = b""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        self._send(200, body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == http.HTTPStatus.FOUND:
            self.send_header("location", "http://169.254.169.254/latest")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def _neighbour() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Neighbour)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _empty(path)
            path.rmdir()
        else:
            path.unlink()


def _tree(folder: Path) -> dict[str, object]:
    """Say what is in a folder: the target of links, the content of files."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
