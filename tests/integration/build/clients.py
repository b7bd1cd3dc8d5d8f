"""What the tests of guest libraries ask of a served component."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

from examples.service import Service
from tests.guests.build import Name, component

if TYPE_CHECKING:
    import http.client
    from pathlib import Path

MANIFEST = """
[app]
name = "guests"
version = "0.1.0"

[[http]]
route = "/..."
component = "guest"

[component.guest]
source = "guest.wasm"
limits = { memory = "32MiB" }
instances = { reuse = 1000000, idle = "60s" }
"""


def serve(name: Name, folder: Path) -> Service:
    """Serve a guest on one worker, in long-lived instances with little memory: what leaks shows."""
    (folder / "wisp.toml").write_text(MANIFEST)
    shutil.copy(component(name), folder / "guest.wasm")
    return Service(folder, "--workers", "1", "--no-access-log")


def ask(connection: http.client.HTTPConnection, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request, and return status and body of the answer."""
    connection.request("POST", path, body, {"content-type": "text/plain"})
    response = connection.getresponse()
    return response.status, response.read()


def stream(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """Send a body while the answer is read: a guest that streams both ways waits for who only sends."""
    connection.putrequest("POST", path)
    connection.putheader("content-length", str(len(body)))
    connection.endheaders()
    sending = threading.Thread(target=connection.send, args=(body,))
    sending.start()
    response = connection.getresponse()
    answer = response.read()
    sending.join()
    return response.status, answer
