"""What apps consist of, on its way to the hosts of a lattice: from a registry, from other hosts, from NATS."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.lattice import Lattice
from tests.e2e.outside import PEM, Website, secure
from tests.e2e.wire import ask
from tests.integration.registry.registries import docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.lattice.state import State

# The first run builds and compiles the guests, and brings the registry.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def app(folder: Path, **tables: object) -> Path:
    text = manifest_of("http2", "/...", tables)
    path = folder / "shop" / "wisp.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace('name = "app"', 'name = "shop"'), encoding="utf-8")
    return path.parent


def with_assets(folder: Path, **files: str) -> Path:
    """Write an app that reads a folder."""
    assets = folder / "shop" / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (assets / f"{name}.txt").write_text(content, encoding="utf-8")
    return app(folder, grants={"files": [{"source": "assets", "mount": "/assets"}]})


def read(lattice: Lattice, host: str, name: str) -> Any:
    """Let the guest read a file, and then try to make one."""
    steps = [["open", "/assets", name, "r"], ["read", 0], ["open", "/assets", "new", "rwc"]]
    answer = ask(lattice.hosts[host].address, "POST", "/steps", body=json.dumps(steps).encode())
    assert answer.status == 200, answer.text
    return answer.json[1:]


def separate(lattice: Lattice, name: str, tmp_path: Path) -> None:
    """Start a host with a cache of its own, as one on another machine has."""
    before = dict(lattice._variables)
    lattice._variables["WISP_CACHE_DIR"] = str(tmp_path / "caches" / name)
    try:
        lattice.start(name)
    finally:
        lattice._variables.clear()
        lattice._variables.update(before)


def test_folders_travel_and_cannot_be_written_to(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.start("b")

    lattice.wisp("deploy", with_assets(tmp_path, one="first"), "--replicas", "2")
    before = [read(lattice, host, "one.txt") for host in "ab"]
    lattice.wisp("deploy", with_assets(tmp_path, one="second", two="more"))

    denied = {"error": "not-permitted"}
    assert before == [["first", denied]] * 2
    assert [read(lattice, host, "one.txt") for host in "ab"] == [["second", denied]] * 2
    assert read(lattice, "b", "two.txt") == ["more", denied]
    lattice.wisp("rollback", "shop")
    assert read(lattice, "a", "one.txt") == ["first", denied]


def test_a_folder_that_is_written_to_is_refused_before_anything_is_sent(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    (tmp_path / "shop" / "data").mkdir(parents=True)
    grants = {"files": [{"source": "data", "mount": "/data", "write": True}]}

    refused = lattice.wisp("deploy", app(tmp_path, grants=grants), code=1)

    assert "component http2 writes to the folder /data: each host would have another one" in refused.stderr
    assert "wisp.toml:" in refused.stderr


def test_a_folder_outside_of_the_app_is_refused(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    (tmp_path / "other").mkdir()
    grants = {"files": [{"source": "../other", "mount": "/data"}]}

    refused = lattice.wisp("deploy", app(tmp_path, grants=grants), code=1)

    assert 'cannot be deployed: "../other" leads out of the folder' in refused.stderr


def test_certificates_that_an_app_trusts_travel_with_it(lattice: Lattice, tmp_path: Path) -> None:
    separate(lattice, "a", tmp_path)
    shop = tmp_path / "shop"
    with Website(secure()) as site:
        grant = {"to": f"https://localhost:{site.port}", "private": True}
        lattice.wisp("deploy", app(tmp_path, grants={"http": [grant]}))
        asked = json.dumps({"authority": f"localhost:{site.port}", "path": "/", "scheme": "https"}).encode()
        without = json.loads(lattice.post("a", "/send", asked)[1])
        shutil.copyfile(PEM / "roots.pem", shop / "roots.pem")
        app(tmp_path, grants={"http": [{**grant, "roots": "roots.pem"}]})
        lattice.wisp("deploy", shop)
        (shop / "roots.pem").unlink()  # the host has its own

        trusting = json.loads(lattice.post("a", "/send", asked)[1])

    assert without == {"error": "ErrorCode::TlsCertificateError"}
    assert (trusting["status"], trusting["body"]) == (200, "hello from outside")


def test_a_certificate_of_its_own_is_refused_with_the_line_that_says_it(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    grant = {"to": "https://api.example.com", "certificate": "client.pem", "key": "client.key.pem"}
    folder = app(tmp_path, grants={"http": ["https://other.example.com", grant]})
    for name in ("client.pem", "client.key.pem"):
        shutil.copyfile(PEM / name, folder / name)
    lines = (folder / "wisp.toml").read_text(encoding="utf-8").splitlines()
    [number] = [at for at, line in enumerate(lines, start=1) if "client.pem" in line]

    refused = lattice.wisp("deploy", folder, code=1)

    assert f"wisp.toml:{number}:" in refused.stderr
    assert "component http2 has a certificate of its own for https://api.example.com" in refused.stderr
    assert lattice.json("apps") == []


def test_a_host_gets_what_another_host_has_when_the_store_has_it_no_more(
    lattice: Lattice, tmp_path: Path
) -> None:
    separate(lattice, "a", tmp_path)
    lattice.wisp("deploy", with_assets(tmp_path, one="first"))
    separate(lattice, "b", tmp_path)

    async def empty(state: State) -> None:
        await state.desired._jetstream.purge_stream("OBJ_wisp-test")

    lattice.ask(empty)
    lattice.wisp("scale", "shop", "--replicas", "2")

    assert read(lattice, "b", "one.txt")[0] == "first"


def test_an_app_of_a_registry_is_deployed_by_its_reference_and_hosts_need_no_registry(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.start("b")
    with docker_registry(tmp_path / "registry") as registry:
        reference = f"{registry.address}/acme/shop:1.0"
        first = json.loads(
            lattice.wisp("push", with_assets(tmp_path, one="first"), reference, "--json").stdout
        )
        lattice.wisp("deploy", f"oci://{reference}", "--replicas", "1")
        lattice.wisp("push", with_assets(tmp_path, one="second"), reference)
    [found] = lattice.json("apps")
    [runs] = lattice.until_complete("shop", 1)
    lattice.wisp("scale", "shop", "--replicas", "2")

    assert found["source"] == f"{reference}@{first['digest']}"
    assert [read(lattice, host, "one.txt")[0] for host in "ab"] == ["first", "first"]
    assert runs in "ab"
    assert f"from    {reference}@sha256:" in lattice.wisp("app", "shop").stdout


def test_what_no_app_needs_is_removed_and_what_runs_goes_on(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", with_assets(tmp_path, one="first"))
    lattice.wisp("delete", "shop")
    lattice.wisp("deploy", with_assets(tmp_path, one="second"))

    young = json.loads(lattice.wisp("lattice", "collect", "--json").stdout)
    old = json.loads(lattice.wisp("lattice", "collect", "--older-than", "0s", "--json").stdout)
    separate(lattice, "b", tmp_path)
    lattice.wisp("scale", "shop", "--replicas", "2")

    assert (young["objects"], old["objects"]) == (0, 2)  # the folder and the locked app that were deleted
    assert [read(lattice, host, "one.txt")[0] for host in "ab"] == ["second", "second"]
