"""Fetching: what has the digest is kept, and nothing else."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wisp.errors import ArtifactError
from wisp.registry.cache import Cache
from wisp.registry.fetch import fetch, shown

CONTENT = b"\0asm\x0d\0\1\0" + bytes(100_000)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        route: Callable[[], None] | None = getattr(
            self, f"get_{self.path.strip('/').partition('?')[0]}", None
        )
        self.close_connection = True
        if route is None:
            self.send_error(404)
            return
        route()

    def get_component(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def get_moved(self) -> None:
        self.send_response(302)
        self.send_header("location", "/component")
        self.send_header("content-length", "0")
        self.end_headers()

    def get_loop(self) -> None:
        self.send_response(302)
        self.send_header("location", "/loop")
        self.send_header("content-length", "0")
        self.end_headers()

    def get_away(self) -> None:
        self.send_response(302)
        self.send_header("location", "http://192.0.2.1/component")
        self.send_header("content-length", "0")
        self.end_headers()

    def get_short(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])

    def get_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError:
            pass

    def get_compressed(self) -> None:
        body = gzip.compress(CONTENT)
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def left(cache: Cache) -> list[str]:
    return [path.name for path in cache.folder("components", "sha256").iterdir()]


async def test_a_component_with_the_right_digest_is_kept(cache: Cache, origin: str) -> None:
    said: list[str] = []

    path = await fetch(cache, f"{origin}/component?token=secret", DIGEST, report=said.append)

    assert path == cache.component(DIGEST)
    assert path.read_bytes() == CONTENT
    assert said == [f"fetching {origin}/component"]


async def test_what_is_there_already_is_not_fetched(cache: Cache) -> None:
    cache.add(CONTENT)

    assert await fetch(cache, "https://nowhere.invalid/component", DIGEST) == cache.component(DIGEST)


async def test_a_redirection_is_followed(cache: Cache, origin: str) -> None:
    assert (await fetch(cache, f"{origin}/moved", DIGEST)).read_bytes() == CONTENT


async def test_a_wrong_digest_names_both_and_keeps_nothing(cache: Cache, origin: str) -> None:
    wanted = f"sha256:{'0' * 64}"

    with pytest.raises(ArtifactError, match=f"expected {wanted}, found {DIGEST}") as caught:
        await fetch(cache, f"{origin}/component", wanted)

    assert caught.value.hint == "if the change is meant, put the new digest into the manifest"
    assert left(cache) == []


async def test_a_body_that_is_too_large_is_not_read_to_its_end(cache: Cache, origin: str) -> None:
    with pytest.raises(ArtifactError, match=r"/endless is larger than 1 MiB"):
        await fetch(cache, f"{origin}/endless", DIGEST, limit=2**20)

    assert left(cache) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing", "it answered 404 Not Found"),
        ("loop", "more than 5 redirections"),
        ("away", r"http://192\.0\.2\.1/component cannot be fetched: only https is"),
        ("short", "cannot be fetched"),
        ("compressed", "is not what the manifest wants"),
    ],
)
async def test_what_goes_wrong_is_said_and_nothing_is_kept(
    cache: Cache, origin: str, path: str, said: str
) -> None:
    with pytest.raises(ArtifactError, match=said):
        await fetch(cache, f"{origin}/{path}", DIGEST)

    assert left(cache) == []


@pytest.mark.parametrize(
    "url", ["http://example.com/a.wasm", "ftp://127.0.0.1/a", "file:///etc/passwd", "a.wasm"]
)
async def test_only_encrypted_or_local_addresses_are_fetched(cache: Cache, url: str) -> None:
    with pytest.raises(ArtifactError, match="only https is"):
        await fetch(cache, url, DIGEST)


async def test_a_closed_port_is_an_error_of_ours(cache: Cache) -> None:
    with pytest.raises(ArtifactError, match=r"http://127\.0\.0\.1:1/a cannot be fetched"):
        await fetch(cache, "http://127.0.0.1:1/a", DIGEST)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown("https://user:password@[::1]:8443/a.wasm?token=1#x") == "https://[::1]:8443/a.wasm"
