"""What can be served: apps, components, folders, profiles."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import ask, get

if TYPE_CHECKING:
    from pathlib import Path


def app(folder: Path, name: str, component: Path, extra: str = "") -> Path:
    folder.mkdir()
    shutil.copyfile(component, folder / "component.wasm")
    manifest = f"""
[app]
name = "{name}"

[[http]]
route = "/{name}/..."
component = "main"

[component.main]
source = "component.wasm"
environment = {{ APP = "{name}" }}
{extra}
"""
    (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
    return folder


def test_several_apps_are_served_at_once_and_keep_to_themselves(
    tmp_path: Path, cache: Path, http2: Path, http3: Path
) -> None:
    first, second = app(tmp_path / "a", "first", http2), app(tmp_path / "b", "second", http3)

    with Host(first, second, folder=tmp_path, variables=environment(cache)) as host:
        seen = get(host.address, "/first/environment").json
        other = get(host.address, "/second/hello")
        lines = [host.line(kind="access", app=name) for name in ("first", "second")]

    assert seen == {"APP": "first"}
    assert other.text == "Hello, world!"
    assert [line["component"] for line in lines] == ["main", "main"]


def test_a_component_by_itself_is_served_at_every_path(tmp_path: Path, cache: Path, http3: Path) -> None:
    shutil.copyfile(http3, tmp_path / "my service.wasm")

    with Host("my service.wasm", folder=tmp_path, variables=environment(cache)) as host:
        answers = [get(host.address, path) for path in ("/", "/any/where/hello", "/counter")]
        component = host.line(kind="access")["component"]

    assert [answer.text for answer in answers] == ["Hello, world!", "Hello, world!", "1"]
    assert component == "my-service"


def test_a_folder_with_one_component_needs_no_manifest(tmp_path: Path, cache: Path, http2: Path) -> None:
    shutil.copyfile(http2, tmp_path / "hello.wasm")

    with Host(folder=tmp_path, variables=environment(cache)) as host:
        answer = get(host.address, "/")

    assert answer.text == "Hello, world!"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hello.wasm"]


def test_a_profile_changes_what_it_names(tmp_path: Path, cache: Path, http2: Path) -> None:
    profile = """
[profile.staging.component.main]
environment = { STAGE = "staging" }
limits = { body = "8B" }
"""
    folder = app(tmp_path / "a", "a", http2, profile)

    with Host(folder, "--profile", "staging", folder=tmp_path, variables=environment(cache)) as host:
        seen = get(host.address, "/a/environment").json
        status = ask(host.address, "POST", "/a/echo", body=b"123456789").status
    with Host(folder, folder=tmp_path, variables=environment(cache)) as host:
        without = get(host.address, "/a/environment").json

    assert (seen, status) == ({"APP": "a", "STAGE": "staging"}, 413)
    assert without == {"APP": "a"}


def test_a_component_is_compiled_quickly_for_development(tmp_path: Path, cache: Path, http2: Path) -> None:
    shutil.copyfile(http2, tmp_path / "hello.wasm")

    with Host("--dev", folder=tmp_path, variables=environment(cache)) as host:
        answer = get(host.address, "/")

    assert answer.text == "Hello, world!"
    assert any("winch" in folder.name for folder in (cache / "artifacts").iterdir())


def test_routes_of_a_host_win_over_those_of_any(
    tmp_path: Path, cache: Path, http2: Path, http3: Path
) -> None:
    folder = app(tmp_path / "a", "a", http2)
    shutil.copyfile(http3, folder / "other.wasm")
    with (folder / "wisp.toml").open("a") as manifest:
        manifest.write('[[http]]\nroute = "/a/..."\nhost = "*.example.com"\ncomponent = "other"\n')
        manifest.write('[component.other]\nsource = "other.wasm"\n')

    with Host(folder, folder=tmp_path, variables=environment(cache)) as host:
        for name in ("example.com", "api.example.com", "API.Example.com:8080"):
            get(host.address, f"/a/{name}", f"host: {name}")
        found = [
            host.line(path=f"/a/{name}")["component"]
            for name in ("example.com", "api.example.com", "API.Example.com:8080")
        ]

    assert found == ["main", "other", "other"]


def test_a_second_start_says_nothing_of_building_and_serves_the_same(
    tmp_path: Path, cache: Path, http2: Path
) -> None:
    folder = app(tmp_path / "a", "a", http2)

    answers, said = [], []
    for _ in range(2):
        with Host(folder, folder=tmp_path, variables=environment(cache)) as host:
            answers.append(get(host.address, "/a/hello").text)
        said.append(host.stderr)

    assert answers == ["Hello, world!"] * 2
    assert said[1] == ""


def test_build_prints_what_up_serves(tmp_path: Path, cache: Path, http2: Path) -> None:
    folder = app(tmp_path / "a", "a", http2)

    built = subprocess.run(
        [PROGRAM, "build", folder], env=environment(cache), capture_output=True, text=True, check=True
    )

    assert "main" in built.stdout
