"""Bad input: each with its whole message, as a person sees it, and the exit code."""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM, environment
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = b"\0asm\1\0\0\0"
EMPTY_COMPONENT = b"\0asm\r\0\1\0"
GOOD = """
[app]
name = "app"

[[http]]
route = "/"
component = "main"

[component.main]
source = "main.wasm"
"""


@pytest.fixture
def folder(tmp_path: Path, http2: Path) -> Path:
    """A folder with an app that is good."""
    shutil.copyfile(http2, tmp_path / "main.wasm")
    (tmp_path / "wisp.toml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    manifest = folder / "wisp.toml"
    text = manifest.read_text(encoding="utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), encoding="utf-8")


def refused(folder: Path, cache: Path, *words: str) -> str:
    """Run `wisp up`, which must end with exit code 1 and a message; return the message, without what goes before."""
    done = subprocess.run(
        [PROGRAM, "up", "--listen", "127.0.0.1:0", *words],
        cwd=folder,
        env=environment(cache),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    said = done.stderr.replace(str(folder), "FOLDER")
    return re.sub(r"\A(\S+: compiling with Cranelift\n)+", "", said)


def test_a_manifest_that_is_not_toml(folder: Path, cache: Path) -> None:
    change(folder, 'name = "app"', 'name = "app')

    assert refused(folder, cache) == "error: wisp.toml:3:12: not TOML: illegal character '\\n'\n"


def test_an_unknown_key(folder: Path, cache: Path) -> None:
    change(folder, 'source = "main.wasm"', 'source = "main.wasm"\nlimit = { memory = "1MiB" }')

    assert refused(folder, cache) == (
        "error: wisp.toml:11:1: component.main.limit: unknown key; did you mean `limits`?\n"
    )


def test_several_mistakes_are_said_in_one_go(folder: Path, cache: Path) -> None:
    change(folder, 'name = "app"', 'name = "My App"')
    change(folder, 'route = "/"', 'route = "no"')

    assert refused(folder, cache) == (
        'error: wisp.toml:3:8: app.name: "My App" is not a name; names are lower-case words joined by "-",'
        ' starting with a letter, such as "my-app"\n'
        'wisp.toml:6:9: http[0].route: expected a path that starts with "/", found "no"\n'
    )


def test_a_component_that_is_not_declared(folder: Path, cache: Path) -> None:
    change(folder, 'component = "main"', 'component = "mian"')

    assert refused(folder, cache) == (
        'error: wisp.toml:7:13: http[0].component: there is no component "mian"; did you mean `main`?\n'
    )


def test_two_equal_routes(folder: Path, cache: Path) -> None:
    change(folder, "[component.main]", '[[http]]\nroute = "/"\ncomponent = "main"\n\n[component.main]')

    assert refused(folder, cache) == (
        'error: wisp.toml:10:9: http[1].route: "/" matches the same requests (any method) as the route in line 6\n'
    )


def test_two_apps_with_the_same_route(folder: Path, cache: Path) -> None:
    other = folder / "other"
    other.mkdir()
    shutil.copyfile(folder / "main.wasm", other / "main.wasm")
    (other / "wisp.toml").write_text(GOOD.replace('"app"', '"other"'), encoding="utf-8")

    assert refused(folder, cache, ".", "other") == (
        'error: the apps "app" and "other" both have the route /\n'
        "  hint: give one of them another route, host or method, or serve them with two commands\n"
    )


def test_a_port_in_use(folder: Path, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        said = refused(folder, cache, "--listen", address)

    assert re.sub(r"by .+ \(process \d+\)", "by PROGRAM (process N)", said) == (
        f"error: cannot listen on {address}: the port is in use by PROGRAM (process N)\n"
        "  hint: stop it, or choose another port with --listen HOST:PORT (port 0 takes a free one)\n"
    )


def test_a_source_that_is_not_there(folder: Path, cache: Path) -> None:
    (folder / "main.wasm").unlink()

    assert refused(folder, cache) == (
        'error: wisp.toml:10:10: component.main.source: there is no file "main.wasm"\n'
    )


def test_a_file_that_is_not_there(folder: Path, cache: Path) -> None:
    assert refused(folder, cache, "gone.wasm") == "error: there is no file gone.wasm\n"


def test_a_source_that_is_not_webassembly(folder: Path, cache: Path) -> None:
    (folder / "main.wasm").write_text("hello", encoding="utf-8")

    assert refused(folder, cache) == (
        "error: component main: FOLDER/main.wasm is not a WebAssembly file, and a component is needed\n"
    )


def test_a_core_module(folder: Path, cache: Path) -> None:
    (folder / "main.wasm").write_bytes(MODULE)

    assert refused(folder, cache) == (
        "error: component main: FOLDER/main.wasm is a core WebAssembly module, and a component is needed\n"
        "  hint: build it for wasm32-wasip2\n"
    )


def test_a_component_that_is_torn(folder: Path, cache: Path) -> None:
    content = (folder / "main.wasm").read_bytes()
    (folder / "main.wasm").write_bytes(content[:1000])

    assert refused(folder, cache).startswith(
        "error: component main: not a valid WebAssembly file: unexpected end"
    )


def test_a_component_that_exports_nothing(folder: Path, cache: Path) -> None:
    (folder / "main.wasm").write_bytes(EMPTY_COMPONENT)

    assert refused(folder, cache) == (
        "error: component main cannot serve HTTP: it exports nothing\n"
        "  hint: it must export wasi:http/incoming-handler or wasi:http/handler\n"
    )


def test_a_program_instead_of_a_service(folder: Path, cache: Path) -> None:
    shutil.copyfile(component("command2"), folder / "main.wasm")

    said = refused(folder, cache)

    assert re.sub(r"@0\.2\.\d+", "@0.2.N", said) == (
        "error: component main cannot serve HTTP: it exports wasi:cli/run@0.2.N\n"
        "  hint: it is a program: `wisp run` runs it\n"
    )


@contextmanager
def server(content: bytes) -> Iterator[str]:
    """Serve one file over HTTP on this machine; give its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/auth.wasm" else 404)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_a_fetched_component_with_another_digest(folder: Path, cache: Path) -> None:
    wanted, found = "0" * 64, sha256(b"another").hexdigest()

    with server(b"another") as url:
        change(folder, '"main.wasm"', f'{{ url = "{url}/auth.wasm", digest = "sha256:{wanted}" }}')
        said = refused(folder, cache)

    assert said == (
        f"fetching {url}/auth.wasm\n"
        f"error: {url}/auth.wasm is not what the manifest wants: expected sha256:{wanted}, found sha256:{found}\n"
        "  hint: if the change is meant, put the new digest into the manifest\n"
    )
    assert not list(cache.rglob(f"*{found}*"))


def test_a_fetched_component_that_is_not_there(folder: Path, cache: Path) -> None:
    with server(b"another") as url:
        change(folder, '"main.wasm"', f'{{ url = "{url}/gone.wasm", digest = "sha256:{"0" * 64}" }}')
        said = refused(folder, cache)

    assert (
        said
        == f"fetching {url}/gone.wasm\nerror: {url}/gone.wasm cannot be fetched: it answered 404 Not Found\n"
    )


def test_a_certificate_that_is_none(folder: Path, cache: Path) -> None:
    said = refused(folder, cache, "--tls-certificate", "wisp.toml", "--tls-key", "wisp.toml")

    assert said == "error: a worker cannot start: tls: FOLDER/wisp.toml has no certificate\n"


def test_a_profile_that_is_not_declared(folder: Path, cache: Path) -> None:
    assert refused(folder, cache, "--profile", "staging") == (
        'error: wisp.toml has no profile "staging"; there are no profiles\n'
    )


def test_a_cache_that_others_may_write_to(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    assert refused(folder, shared) == (
        "error: others may write to the cache, so nothing in it can be trusted: FOLDER/shared\n"
        "  hint: chmod 700 FOLDER/shared\n"
    )
