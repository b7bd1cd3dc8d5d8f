"""A project, built by the real tools and served by the real `wisp up`."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.host import PATIENCE, Host, environment
from wisp.cli.prepare import PrepareOptions, prepare
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
[app]
name = "app"

[[http]]
route = "/items/:item"
component = "one"

[[http]]
route = "/..."
component = "one"

[component.one]
source = "sources"
environment = {{ GREETING = "hi" }}
limits = {{ body = "64MiB" }}
instances = {{ reuse = {reuse} }}
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def serve(folder: Path, *, reuse: int = 1) -> Host:
    """Serve the project in the folder `sources`; builds and tools are kept in the user's own cache."""
    (folder / "wisp.toml").write_text(MANIFEST.format(reuse=reuse), encoding="utf-8")
    variables = environment(Cache.default_root())
    # Beforehand, because to build and compile on a busy machine takes longer than anybody waits for a host.
    asyncio.run(prepare([folder], PrepareOptions(), print))
    return Host("--workers", "1", folder=folder, variables=variables)


def ask(host: Host, path: str, *, method: str = "GET", body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection(*host.address, timeout=PATIENCE)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def arrivals(host: Host, path: str) -> list[tuple[bytes, float]]:
    """Read an answer piece by piece, each with the time in seconds at which it came."""
    connection = http.client.HTTPConnection(*host.address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return [(piece, time.monotonic()) for piece in iter(answer.read1, b"")]
    finally:
        connection.close()


def exchange(host: Host, path: str, body: bytes) -> bytes:
    """Send a body and read the answer's at the same time, as a stream both ways needs it."""
    connection = http.client.HTTPConnection(*host.address, timeout=PATIENCE)
    connection.putrequest("POST", path)
    connection.putheader("content-length", str(len(body)))
    connection.endheaders()
    sender = threading.Thread(target=connection.send, args=(body,))
    sender.start()
    try:
        return connection.getresponse().read()
    finally:
        sender.join()
        connection.close()
