"""A registry that means harm: it answers what a test wants."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from wisp.manifest.references import Reference
from wisp.registry.oci import components
from wisp.registry.oci.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Answer = Callable[[BaseHTTPRequestHandler], None]

CONTENT = b"\0asm\x0d\0\1\0" + bytes(50_000)
QUICK = Access(backoff=0.01)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Hostile(ThreadingHTTPServer):
    """Answers what a test wants, and notes what reaches it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        """By the end of the path."""

        self.seen: list[tuple[str, str, str | None]] = []
        """Method, path and proof of every request."""

        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def has(self, content: bytes) -> dict[str, object]:
        """Answer with a blob, and return its descriptor."""
        self.answers[digest_of(content)] = body(content)
        return {"mediaType": "application/wasm", "digest": digest_of(content), "size": len(content)}

    def says(self, manifest: object) -> Reference:
        """Answer with a manifest, and return its reference."""
        self.answers["v1"] = body(json.dumps(manifest).encode())
        return Reference(self.address, "thing", "v1")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def _any(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers["authorization"]))
        self.close_connection = True
        name = self.path.rpartition("/")[2].partition("?")[0]
        if name in self.server.answers:
            self.server.answers[name](self)
        else:
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

    def do_GET(self) -> None:
        self._any()

    def do_HEAD(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(to: str) -> Answer:
    return body(b"", 307, location=to)


def manifest_of(*layers: Mapping[str, object]) -> dict[str, object]:
    config = {"mediaType": components.CONFIG, "digest": digest_of(b"{}"), "size": 2}
    return {"schemaVersion": 2, "config": config, "layers": list(layers)}
