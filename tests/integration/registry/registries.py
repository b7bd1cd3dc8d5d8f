"""Real registries on free ports of this machine, for the time of a block."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[3]
PEM = ROOT / "crates" / "host" / "tests" / "outbound_http" / "pem"
"""Roots, and a certificate of theirs for 127.0.0.1."""

USER, PASSWORD = "alice", "secret"
_HTPASSWD = f"{USER}:$2b$05$ZczJ8LVdx9F3ab2LQEr.t.lPh9ae11LKND4mGxZCFZS4EXZPZIDi.\n"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


@functools.cache
def programs() -> Path:
    """Return the folder with the registries, and what other people use with them."""
    script = subprocess.run(
        [ROOT / "scripts" / "registries.sh"], stdout=subprocess.PIPE, text=True, check=True
    )
    return Path(script.stdout.strip().splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that listens."""

    address: str
    """As references name it."""

    data: Path
    said: list[str]
    """The lines of its log."""

    def requests(self, method: str) -> list[str]:
        """Return what was asked of it with a method."""
        found = (re.search(rf'"{method} (\S+) HTTP', line) for line in self.said)
        return [match[1] for match in found if match]


@contextmanager
def docker_registry(
    folder: Path, *, tls: bool = False, auth: Mapping[str, object] | None = None
) -> Iterator[Registry]:
    """Run Debian's docker-registry, with its data below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of the tests"}
    if tls:
        http["tls"] = {"certificate": str(PEM / "server.pem"), "key": str(PEM / "server.key.pem")}
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": http,
        "log": {"level": "info"},
        **({"auth": auth} if auth else {}),
    }
    file = folder / "config.json"  # YAML is a superset
    file.write_text(json.dumps(config), encoding="utf-8")
    with _running([programs() / "docker-registry", "serve", file]) as (said, address):
        yield Registry(address(_LISTENING), folder / "data", said)


def htpasswd(folder: Path) -> dict[str, object]:
    """Return how docker-registry lets in who has a password."""
    file = folder / "htpasswd"
    file.write_text(_HTPASSWD, encoding="utf-8")
    return {"htpasswd": {"realm": "the tests", "path": str(file)}}


@contextmanager
def referrers_registry() -> Iterator[Registry]:
    """Run the registry that lists referrers; it keeps everything in memory."""
    with _running([programs() / "referrers"]) as (said, address):
        yield Registry(address(re.compile(r"^(127\.0\.0\.1:\d+)$")), Path(), said)


@contextmanager
def _running(command: Sequence[str | Path]) -> Iterator[tuple[list[str], _Address]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[str] = []
    address = _Address(process, said)
    try:
        yield said, address
    finally:
        process.terminate()
        process.wait(30)
        address.end()


class _Address:
    """Waits for the line of a log that says where a program listens."""

    def __init__(self, process: subprocess.Popen[str], said: list[str]) -> None:
        self._process = process
        self._said = said
        self._thread: threading.Thread | None = None

    def __call__(self, pattern: re.Pattern[str]) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if found := pattern.search(line):
                self._thread = threading.Thread(target=lambda: self._said.extend(self._process.stdout or ()))
                self._thread.start()
                return found[1]
        raise AssertionError("".join(self._said))

    def end(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class TokenServer(ThreadingHTTPServer):
    """Gives tokens that docker-registry takes, to whoever proves to be Alice; for pulling, to anybody."""

    daemon_threads = True
    service = "registry.of.the.tests"
    issuer = "tests of wisp"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tokens)
        self.asked: list[tuple[str, list[str]]] = []
        """Who asked, and for which scopes."""

        self.refresh = ""
        """A token that is taken in place of a password."""

        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def auth(self) -> dict[str, object]:
        """Return how docker-registry takes these tokens."""
        return {
            "token": {
                "realm": f"http://127.0.0.1:{self.server_port}/token",
                "service": self.service,
                "issuer": self.issuer,
                "rootcertbundle": str(PEM / "roots.pem"),
            }
        }


class _Tokens(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        said = self.headers.get("authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(said).decode().partition(":")
        if said and (user, password) != (USER, PASSWORD):
            self.send_error(401)
            return
        self._give(user, query.get("scope", []))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        if form.get("grant_type") != ["refresh_token"] or form["refresh_token"] != [self.server.refresh]:
            self.send_error(401)
            return
        self._give(USER, " ".join(form.get("scope", [])).split())

    def _give(self, user: str, scopes: list[str]) -> None:
        self.server.asked.append((user, scopes))
        access = [scope.split(":") for scope in scopes]
        allowed = [
            {
                "type": kind,
                "name": name,
                "actions": [action for action in actions.split(",") if user or action == "pull"],
            }
            for kind, name, actions in access
        ]
        body = json.dumps({"token": _token(self.server, allowed), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _token(server: TokenServer, access: Sequence[Mapping[str, object]]) -> str:
    certificate = "".join((PEM / "server.pem").read_text(encoding="utf-8").split("-----")[2].split())
    now = int(time.time())
    head = {"typ": "JWT", "alg": "ES256", "x5c": [certificate]}
    claims = {
        "iss": server.issuer,
        "aud": server.service,
        "sub": USER,
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 300,
        "jti": "1",
        "access": access,
    }
    signed = b".".join(_text(json.dumps(part).encode()) for part in (head, claims))
    der = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", PEM / "server.key.pem"],
        input=signed,
        capture_output=True,
        check=True,
    ).stdout
    return b".".join([signed, _text(_raw(der))]).decode()


def _text(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _raw(der: bytes) -> bytes:
    """Return a signature of ECDSA as tokens have it: both numbers, 32 bytes each."""
    first = der[4 : 4 + der[3]]
    second = der[6 + der[3] :]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, second))
