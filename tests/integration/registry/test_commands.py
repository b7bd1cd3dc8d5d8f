"""`wisp push`, `pull` and `up`, and sources in registries, with real registries."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tomllib
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration.cli.program import WISP, serving, wisp
from tests.integration.registry.registries import docker_registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.registry.registries import Registry

MANIFEST = """\
[app]
name = "shop"
version = "1.2.0"
description = "Sells things"

[[http]]
route = "/..."
component = "web"

[component.web]
source = "web.wasm"
environment = { GREETING = "hi" }
limits = { memory = "32MiB", timeout = "5s" }

[component.web.grants]
files = [
    { source = "static", mount = "/static" },
    { include = ["static/css/*.css"], mount = "/css" },
]
config = { greeting = "hi", token = { secret = "TOKEN" } }

[secrets]
TOKEN = { environment = "SHOP_TOKEN", default = "none" }
"""


@pytest.fixture(scope="session")
def hello() -> Path:
    """Return a component that serves HTTP."""
    return component("http2")


def digest_of(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def shop(folder: Path, hello: Path) -> Path:
    (folder / "static" / "css").mkdir(parents=True)
    (folder / "static" / "index.html").write_text("<h1>shop</h1>", encoding="utf-8")
    (folder / "static" / "css" / "a.css").write_text("body {}", encoding="utf-8")
    (folder / "web.wasm").write_bytes(hello.read_bytes())
    (folder / "wisp.toml").write_text(MANIFEST, encoding="utf-8")
    return folder


def pushed(*words: str | Path) -> dict[str, object]:
    done = wisp("push", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_component_comes_back_as_it_went(registry: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{registry.address}/back/hello:1.0"

    said = pushed(hello, reference)
    done = wisp("pull", reference, "-o", tmp_path / "back.wasm", "--json")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back.wasm").read_bytes() == hello.read_bytes()
    assert json.loads(done.stdout)["digest"] == said["digest"]
    assert said["kind"] == "component"


def test_what_was_pushed_is_not_sent_again_and_is_the_same(docker: Registry, hello: Path) -> None:
    first = pushed(hello, f"{docker.address}/again/hello:1.0")
    second = pushed(hello, f"{docker.address}/again/hello:1.1")
    elsewhere = pushed(hello, f"{docker.address}/again/there/hello:1.0")

    assert first["sent"] == first["size"]
    assert second["sent"] == elsewhere["sent"] == 0
    assert first["digest"] == second["digest"] == elsewhere["digest"]
    assert not any("/v2/again/there/hello/" in url for url in docker.requests("PATCH"))


def test_an_app_comes_back_with_all_that_it_needs(registry: Registry, tmp_path: Path, hello: Path) -> None:
    folder, back = shop(tmp_path / "shop", hello), tmp_path / "back"
    reference = f"{registry.address}/apps/shop:1.2"

    said = pushed(folder, reference)
    done = wisp("pull", reference, "-o", back)

    assert done.returncode == 0, done.stderr
    assert said["kind"] == "app"
    files = {path.relative_to(back).as_posix() for path in back.rglob("*") if path.is_file()}
    assert files == {
        "wisp.toml",
        "components/web.wasm",
        "files/1/index.html",
        "files/1/css/a.css",
        "files/2/static/css/a.css",
    }
    manifest = tomllib.loads((back / "wisp.toml").read_text(encoding="utf-8"))
    assert manifest["app"] == {"name": "shop", "version": "1.2.0", "description": "Sells things"}
    assert manifest["component"]["web"]["limits"] == {"memory": "32MiB", "timeout": "5s"}
    assert wisp("build", back).returncode == 0
    again = pushed(back, f"{registry.address}/apps/shop:again")
    assert again["sent"] != again["size"], "its component was sent again"


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_an_app_is_served_from_a_registry_and_by_its_digest_without_one(tmp_path: Path, hello: Path) -> None:
    folder = shop(tmp_path / "shop", hello)
    with docker_registry(tmp_path / "registry") as registry:
        reference = f"{registry.address}/apps/shop"
        digest = pushed(folder, f"{reference}:1.2")["digest"]
        command: list[str | Path] = [
            WISP,
            "up",
            f"oci://{reference}:1.2",
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "1",
        ]
        with serving(command, folder=tmp_path) as url:
            assert answer(url) == 200

    command[2] = f"{reference}@{digest}"
    with serving(command, folder=tmp_path) as url:
        assert answer(url) == 200
    command[2] = f"{reference}:1.2"
    done = wisp(*command[1:])
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_component_is_served_from_a_registry(docker: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{docker.address}/served/hello:1.0"
    pushed(hello, reference)

    with serving(
        [WISP, "up", reference, "--listen", "127.0.0.1:0", "--workers", "1"], folder=tmp_path
    ) as url:
        assert answer(url) == 200


def answer(url: str) -> int:
    with urllib.request.urlopen(f"{url}/hello") as response:  # noqa: S310 - our own
        return int(response.status)


def app_with_source(folder: Path, source: str) -> Path:
    folder.mkdir()
    text = f'[app]\nname = "app"\n\n[[http]]\nroute = "/..."\ncomponent = "web"\n\n[component.web]\nsource = "{source}"\n'
    (folder / "wisp.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_tag_is_understood_once_and_the_lock_file_decides(
    docker: Registry, tmp_path: Path, hello: Path
) -> None:
    reference = f"{docker.address}/sources/hello:1"
    first = pushed(hello, reference)
    folder = app_with_source(tmp_path / "app", f"oci://{reference}")
    lock = folder / "wisp.lock"

    refused = wisp("build", folder, "--locked")
    assert refused.returncode == 1
    assert "is new" in refused.stderr
    assert not lock.exists()

    assert wisp("build", folder).returncode == 0
    [entry] = tomllib.loads(lock.read_text(encoding="utf-8"))["resolved"]
    assert entry == {"reference": reference, "manifest": first["digest"], "component": digest_of(hello)}

    other = component("c")
    second = pushed(other, reference)
    asked = len(docker.requests("GET"))
    assert built(folder, "--locked") == digest_of(hello)
    assert len(docker.requests("GET")) == asked, "the registry was asked for what the lock file has"

    assert built(folder, "--update") == digest_of(other)
    [entry] = tomllib.loads(lock.read_text(encoding="utf-8"))["resolved"]
    assert entry["manifest"] == second["digest"]


def built(folder: Path, *options: str) -> str:
    done = wisp("build", folder, "--json", *options)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["components"]["web"]["digest"])


def test_what_the_lock_file_has_is_had_again_by_its_digest(
    docker: Registry, tmp_path: Path, hello: Path
) -> None:
    reference = f"{docker.address}/sources/moved:1"
    pushed(hello, reference)
    folder = app_with_source(tmp_path / "app", f"oci://{reference}")
    assert built(folder) == digest_of(hello)
    pushed(component("c"), reference)

    done = wisp("build", folder, "--json", WISP_CACHE_DIR=str(tmp_path / "empty"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["components"]["web"]["digest"] == digest_of(hello)


def test_an_app_is_no_source_of_a_component(docker: Registry, tmp_path: Path, hello: Path) -> None:
    pushed(shop(tmp_path / "shop", hello), f"{docker.address}/sources/app:1")
    folder = app_with_source(tmp_path / "app", f"oci://{docker.address}/sources/app:1")

    done = wisp("build", folder)

    assert done.returncode == 1
    assert "is not a component: its config is application/vnd.wisp.app.config.v1+json" in done.stderr


def test_one_component_of_an_app_is_pushed_as_others_do(
    docker: Registry, tmp_path: Path, hello: Path
) -> None:
    folder, reference = shop(tmp_path / "shop", hello), f"{docker.address}/single/web:1.2.0"

    assert pushed(folder, reference, "--component", "web")["kind"] == "component"

    done = wisp("pull", reference, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.sub(r" +", " ", done.stdout).splitlines()[-1] == "component web.wasm"
    assert (tmp_path / "web.wasm").read_bytes() == hello.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ('"static", mount', '"../elsewhere", mount'),
            '"../elsewhere" leads out of the folder of the manifest',
        ),
        (('"static", mount', '"/etc", mount'), '"/etc" leads out of the folder of the manifest'),
        (
            ('environment = "SHOP_TOKEN", default = "none"', 'command = "pass show x"'),
            "the secret TOKEN comes from a file or a command",
        ),
    ],
)
def test_what_belongs_to_this_machine_is_not_pushed(
    tmp_path: Path, hello: Path, change: tuple[str, str], said: str
) -> None:
    folder = shop(tmp_path / "shop", hello)
    (tmp_path / "elsewhere").mkdir()
    (folder / "wisp.toml").write_text(MANIFEST.replace(*change), encoding="utf-8")

    done = wisp("push", folder, "127.0.0.1:1/nobody/listens:1")

    assert done.returncode == 1
    assert said in done.stderr


def test_a_link_that_leads_out_of_a_folder_is_not_followed(tmp_path: Path, hello: Path) -> None:
    folder = shop(tmp_path / "shop", hello)
    (folder / "static" / "passwd").symlink_to("/etc/passwd")

    done = wisp("push", folder, "127.0.0.1:1/nobody/listens:1")

    assert done.returncode == 1
    assert '"passwd" leads out of static' in done.stderr


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["pull", "hello"], "does not say which registry", 2),
        (["push", ".", "ghcr.io/Hello/x"], 'names are in lower case: "hello/x"', 2),
        (["push", ".", f"ghcr.io/x@sha256:{'0' * 64}"], "a digest is the outcome of pushing", 2),
        (["push", "."], "required: REF", 2),
        (["pull", "127.0.0.1:1/x:1"], "127.0.0.1:1 cannot be reached", 1),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, words: list[str], said: str, code: int) -> None:
    done = wisp(*words, folder=tmp_path)

    assert re.search(said, done.stderr)
    assert done.returncode == code


def test_what_is_not_there_is_said(registry: Registry, tmp_path: Path) -> None:
    done = wisp("pull", f"{registry.address}/not/there:1", folder=tmp_path)

    assert done.returncode == 1
    assert "not/there:1 cannot be had" in done.stderr
    assert "hint: look at the spelling" in done.stderr


def test_a_folder_that_is_there_is_not_overwritten(docker: Registry, tmp_path: Path, hello: Path) -> None:
    folder = shop(tmp_path / "shop", hello)
    reference = f"{docker.address}/kept/shop:1"
    pushed(folder, reference)

    done = wisp("pull", reference, folder=tmp_path)

    assert done.returncode == 1
    assert "shop is there already" in done.stderr


def test_wit_is_added_from_a_registry_and_pinned(docker: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{docker.address}/wit/hello:1"
    digest = pushed(hello, reference)["digest"]

    done = wisp("wit", "add", f"oci://{reference}", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    lock = tomllib.loads((tmp_path / "wit" / "wit.lock").read_text(encoding="utf-8"))
    http = next(pin for pin in lock["package"] if pin["name"].startswith("wasi:http@"))
    assert http["source"] == f"oci://{reference}@{digest}"
    assert http["fetched"] == digest_of(hello)
    shutil.rmtree(tmp_path / "wit" / "deps" / http["path"])
    assert wisp("wit", "lock", folder=tmp_path).returncode == 0
    assert (tmp_path / "wit" / "deps" / http["path"]).exists()
