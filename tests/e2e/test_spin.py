"""Apps of Spin, from their `spin.toml` to what their guests see."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import ask, get
from tests.guests.build import FOLDER, component, use_rust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.wire import Answer

# The first run builds guests, one of them anew for another target, and compiles them.
pytestmark = pytest.mark.timeout(900)

MANIFEST = """
spin_manifest_version = 2

[application]
name = "shop"
version = "1.2.3"

[variables]
greeting = { default = "hello" }

[[trigger.http]]
route = "/front/..."
component = "front"

[[trigger.http]]
route = "/exact"
component = "front"

[[trigger.http]]
route = "/users/:user_id/headers"
component = "front"

[[trigger.http]]
route = "/:any/deeper/..."
component = "front"

[[trigger.http]]
route = "/teapot"
static_response = { status_code = 418, headers = { x-kind = "teapot" }, body = "short and stout" }

[[trigger.http]]
route = { private = true }
component = "orders"

[component.front]
source = "http2.wasm"
environment = { STAGE = "test" }
files = ["assets/**/*.txt", { source = "styles", destination = "/css" }]
exclude_files = ["**/secret.txt"]
variables = { greeting = "{{ greeting }}, you" }
key_value_stores = ["default"]
allowed_outbound_hosts = ["http://*.spin.internal", "http://self"]

[component.orders]
source = "http2.wasm"
allowed_outbound_hosts = ["http://front.spin.internal"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, http2: Path) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shutil.copyfile(http2, folder / "http2.wasm")
    for name in ("assets/in/one.txt", "assets/secret.txt", "assets/two.png", "styles/site.css"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "spin.toml").write_text(MANIFEST, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path, cache: Path) -> Iterator[Host]:
    with Host(folder=folder, variables=environment(cache)) as host:
        yield host


def told(answer: Answer) -> dict[str, list[str]]:
    """Return the headers that a guest was told by its host, with all their values."""
    found: dict[str, list[str]] = {}
    for name, value in answer.json["headers"]:
        if name.startswith(("spin", "wisp")):
            found.setdefault(name, []).append(value)
    return found


def test_a_guest_is_told_what_spin_tells_and_nothing_else(shop: Host) -> None:
    headers = told(get(shop.address, "/front/a/headers?b=c"))

    client = headers.pop("spin-client-addr")
    assert len(client) == 1
    assert client[0].startswith("127.0.0.1:")
    assert client[0] != "127.0.0.1:0"
    assert headers == {
        "spin-path-info": ["/a/headers"],
        "spin-full-url": ["http://test/front/a/headers?b=c"],
        "spin-matched-route": ["/front/..."],
        "spin-base-path": ["/"],
        "spin-raw-component-route": ["/front/..."],
        "spin-component-route": ["/front"],
    }


def test_a_client_cannot_speak_for_the_host(shop: Host) -> None:
    forged = (
        "spin-client-addr: 6.6.6.6:666",
        "SPIN-CLIENT-ADDR: 6.6.6.6:667",
        "spin_client_addr: 6.6.6.6:668",
        "spin-path-match-user-id: root",
        "spin-made-up: 1",
        "wisp-client-address: 6.6.6.6",
    )

    answer = get(shop.address, "/users/7/headers", *forged)

    headers = told(answer)
    assert "6.6.6.6" not in answer.text
    assert headers["spin-path-match-user-id"] == ["7"]
    assert "spin-made-up" not in headers
    assert len(headers["spin-client-addr"]) == 1


@pytest.mark.parametrize(
    ("path", "route", "info"),
    [
        ("/front", "/front/...", ""),
        ("/front/", "/front/...", "/"),
        ("/front/x/", "/front/...", "/x/"),
        ("/exact", "/exact", ""),
        ("/exact/", "/exact", ""),
        ("/some/deeper", "/:any/deeper/...", ""),
        ("/some/deeper/still", "/:any/deeper/...", "/still"),
        ("/exact/x", None, None),
        ("/orders", None, None),
        ("/frontier", None, None),
    ],
)
def test_routes_are_those_of_spin(shop: Host, path: str, route: str | None, info: str | None) -> None:
    begin = len(shop.lines)

    answer = get(shop.address, path)
    line = shop.line(since=begin, kind="access", path=path)

    assert (answer.status, line.get("route")) == ((404, None) if route is None else (200, route))
    assert info is None or answer.text == "Hello, world!"


def test_an_answer_without_a_component(shop: Host) -> None:
    answer = get(shop.address, "/teapot/")
    head = ask(shop.address, "HEAD", "/teapot")
    line = shop.line(kind="access", path="/teapot/")

    assert (answer.status, answer.header("x-kind"), answer.text) == (418, "teapot", "short and stout")
    assert (head.status, head.header("x-kind"), head.body) == (418, "teapot", b"")
    assert (line["app"], line["component"], line["route"]) == ("shop", "(response)", "/teapot")


def test_what_spin_answers_itself(shop: Host) -> None:
    health, info = (get(shop.address, f"/.well-known/spin/{page}") for page in ("health", "info"))
    other = get(shop.address, "/.well-known/spin/other")

    assert (health.status, health.text) == (200, "OK")
    assert info.json == {"name": "shop", "version": "1.2.3"}
    assert (other.status, other.body) == (404, b"")


def test_the_environment_is_that_of_the_manifest(shop: Host) -> None:
    assert get(shop.address, "/front/environment").json == {"STAGE": "test"}


def test_components_reach_each_other_and_are_told_so(shop: Host) -> None:
    answer = get(shop.address, "/front/pass?http://orders.spin.internal/deep/headers?x=y")

    headers = told(answer)
    assert headers == {
        "spin-path-info": ["/deep/headers"],
        "spin-full-url": ["http://orders.spin.internal/deep/headers?x=y"],
        "spin-matched-route": ["/..."],
        "spin-base-path": ["/"],
        "spin-raw-component-route": ["/..."],
        "spin-component-route": [""],
        "spin-client-addr": ["0.0.0.0:0"],
    }
    assert "host" not in {name for name, _ in answer.json["headers"]}


@pytest.mark.parametrize("host", ["http://self.alt", ""])
def test_a_component_sends_requests_to_its_own_app(shop: Host, host: str) -> None:
    headers = told(get(shop.address, f"/front/pass?{host}/users/9/headers"))
    teapot = get(shop.address, f"/front/pass?{host}/teapot")
    nowhere = get(shop.address, f"/front/pass?{host}/nowhere/at/all")

    assert headers["spin-path-match-user-id"] == ["9"]
    assert headers["spin-client-addr"] == ["0.0.0.0:0"]
    assert (teapot.status, teapot.text) == (418, "short and stout")
    assert nowhere.status == 404


def test_a_component_that_may_not_reach_another_is_denied(shop: Host) -> None:
    through = "http://orders.spin.internal/pass?http://orders.spin.internal/headers"

    assert get(shop.address, f"/front/pass?{through}").text.startswith("refused: ")


def test_the_copies_of_its_files_are_what_the_manifest_names(shop: Host, folder: Path) -> None:
    get(shop.address, "/exact")

    (copy,) = (folder / ".wisp" / "files" / "front").iterdir()
    found = sorted(str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file())
    assert found == ["assets/in/one.txt", "css/site.css"]


def test_what_was_converted_serves_the_same(folder: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "shop", ignore=shutil.ignore_patterns(".wisp"))
    done = subprocess.run(
        [PROGRAM, "convert"],
        cwd=tmp_path / "shop",
        capture_output=True,
        text=True,
        env=environment(cache),
        check=False,
    )
    (tmp_path / "shop" / "spin.toml").unlink()

    with Host(folder=tmp_path / "shop", variables=environment(cache)) as host:
        headers = told(get(host.address, "/front/pass?http://orders.spin.internal/headers"))
        teapot = get(host.address, "/teapot")

    assert done.returncode == 0, done.stderr
    assert headers["spin-client-addr"] == ["0.0.0.0:0"]
    assert teapot.status == 418


def test_both_manifests_beside_each_other_are_told_about(folder: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "shop", ignore=shutil.ignore_patterns(".wisp"))
    (tmp_path / "shop" / "wisp.toml").write_text(
        'app = { name = "ours" }\n[[http]]\nroute = "/..."\ncomponent = "a"\n[component.a]\nsource = "http2.wasm"\n',
        encoding="utf-8",
    )

    with Host(folder=tmp_path / "shop", variables=environment(cache)) as host:
        answer = get(host.address, "/anything")
        app = host.line(kind="access")["app"]

    assert (answer.status, app) == (200, "ours")
    assert "note: wisp.toml is used, and spin.toml beside it is not" in host.stderr


def test_a_runtime_config_is_read_once_so_that_it_may_come_through_a_pipe(
    tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "spin.toml").write_text(
        f"""
        spin_manifest_version = 2
        application = {{ name = "piped" }}
        variables = {{ token = {{ required = true, secret = true }} }}

        [[trigger.http]]
        route = "/..."
        component = "one"

        [component.one]
        source = "{component("capabilities")}"
        key_value_stores = ["default"]
        variables = {{ token = "{{{{ token }}}}" }}
        """,
        encoding="utf-8",
    )
    pipe = tmp_path / "runtime.toml"
    os.mkfifo(pipe)
    text = f"""
        state_dir = "{tmp_path / "stores"}"
        [[variables_provider]]
        type = "static"
        values = {{ token = "from the pipe" }}
    """
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()

    with Host("--runtime-config", pipe, folder=tmp_path, variables=environment(cache)) as host:
        writer.join()
        token = get(host.address, "/config/get?key=token")
        kept = ask(host.address, "POST", "/keyvalue/set?key=a", body=b"x")

    assert token.json == "from the pipe"
    assert kept.status == 200
    assert (tmp_path / "stores" / "piped" / "keyvalue" / "default.db").exists()


def test_a_core_module_of_wasip1_becomes_a_component(tmp_path: Path, cache: Path) -> None:
    use_rust()
    target = cache / "work" / "wasip1"
    command = ["cargo", "build", "--release", "--locked", "--target", "wasm32-wasip1", "-p", "http2"]
    subprocess.run([*command, "--target-dir", str(target)], cwd=FOLDER, check=True, capture_output=True)
    module = target / "wasm32-wasip1" / "release" / "http2.wasm"
    shutil.copyfile(module, tmp_path / "http2.wasm")
    (tmp_path / "spin.toml").write_text(
        'spin_manifest_version = 2\napplication = { name = "old" }\n[[trigger.http]]\nroute = "/..."\n'
        'component = { source = "http2.wasm", environment = { A = "b" } }\n',
        encoding="utf-8",
    )

    with Host(folder=tmp_path, variables=environment(cache)) as host:
        answer = get(host.address, "/environment")

    assert module.read_bytes().startswith(b"\0asm\1\0\0\0")
    assert answer.json == {"A": "b"}
