"""What others write is read, and what we write follows the rules and is read by others.

The rules are those of the CNCF's "Wasm OCI artifact layout". Others are oras, which pushes and pulls any artifact, and wkg, whose
artifacts are written here by hand as it writes them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration.cli.program import wisp
from tests.integration.registry.registries import programs
from wisp import native
from wisp.manifest.references import parse_reference
from wisp.registry.oci import documents
from wisp.registry.oci.access import Access
from wisp.registry.oci.client import Client
from wisp.registry.oci.documents import Descriptor
from wisp.registry.oci.upload import Content

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.registry.registries import Registry

CONFIG = "application/vnd.wasm.config.v0+json"


@pytest.fixture(scope="session")
def hello() -> Path:
    """Return a component that serves HTTP."""
    return component("http2")


def oras(*words: str | Path, folder: Path) -> str:
    done = subprocess.run(
        [programs() / "oras", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_we_push_follows_the_layout(docker: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{docker.address}/layout/hello:1.0.0"
    assert wisp("push", hello, reference).returncode == 0

    manifest = json.loads(oras("manifest", "fetch", "--plain-http", reference, folder=tmp_path))
    config = json.loads(oras("manifest", "fetch-config", "--plain-http", reference, folder=tmp_path))

    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == CONFIG
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/wasm"
    digest = f"sha256:{hashlib.sha256(hello.read_bytes()).hexdigest()}"
    assert (layer["digest"], layer["size"]) == (digest, hello.stat().st_size)
    assert datetime.datetime.fromisoformat(config["created"]).tzinfo is not None
    assert (config["architecture"], config["os"]) == ("wasm", "wasip2")
    assert config["layerDigests"] == [digest]
    info = native.inspect(hello.read_bytes())
    assert config["component"]["exports"] == list(info.exports)
    assert config["component"]["imports"] == list(info.imports)
    assert any(name.startswith("wasi:http/incoming-handler@") for name in config["component"]["exports"])


def test_a_core_module_is_pushed_as_one(docker: Registry, tmp_path: Path) -> None:
    module = tmp_path / "tool.wasm"
    module.write_bytes(b"\0asm\1\0\0\0")
    reference = f"{docker.address}/layout/tool:1"
    assert wisp("push", module, reference).returncode == 0

    config = json.loads(oras("manifest", "fetch-config", "--plain-http", reference, folder=tmp_path))

    assert config["os"] == "wasip1"
    assert "component" not in config


def test_oras_pulls_what_we_push(registry: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{registry.address}/oras/hello:1"
    assert wisp("push", hello, reference).returncode == 0

    oras("pull", "--plain-http", reference, folder=tmp_path)

    assert (tmp_path / "hello.wasm").read_bytes() == hello.read_bytes()


def test_we_pull_what_oras_pushes(registry: Registry, tmp_path: Path, hello: Path) -> None:
    reference = f"{registry.address}/oras/theirs:1"
    (tmp_path / "theirs.wasm").write_bytes(hello.read_bytes())
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    config = f"config.json:{CONFIG}"
    oras(
        "push", "--plain-http", reference, "--config", config, "theirs.wasm:application/wasm", folder=tmp_path
    )

    done = wisp("pull", reference, "-o", "ours.wasm", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ours.wasm").read_bytes() == hello.read_bytes()


def test_an_app_that_oras_copies_to_another_registry_is_the_same(
    docker: Registry, other: Registry, tmp_path: Path, hello: Path
) -> None:
    (tmp_path / "web.wasm").write_bytes(hello.read_bytes())
    manifest = '[app]\nname = "x"\n[[http]]\nroute = "/..."\ncomponent = "web"\n[component.web]\nsource = "web.wasm"\n'
    (tmp_path / "wisp.toml").write_text(manifest, encoding="utf-8")
    here, there = f"{docker.address}/oras/app:1", f"{other.address}/oras/app:1"
    assert wisp("push", tmp_path, here).returncode == 0

    oras("copy", "--from-plain-http", "--to-plain-http", here, there, folder=tmp_path)
    done = wisp("pull", there, "-o", tmp_path / "copy", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["components"] == ["web"]
    assert (tmp_path / "copy" / "components" / "web.wasm").read_bytes() == hello.read_bytes()


@pytest.mark.parametrize(
    ("config_type", "layer_type"),
    [
        (CONFIG, "application/wasm"),
        ("application/vnd.wasm.config.v1+json", "application/vnd.wasm.content.layer.v1+wasm"),
        (
            "application/vnd.oci.empty.v1+json",
            "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
        ),
    ],
)
async def test_what_other_tools_have_written_is_read(
    docker: Registry, tmp_path: Path, hello: Path, config_type: str, layer_type: str
) -> None:
    content = hello.read_bytes()  # noqa: ASYNC240 - a test
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    # As wkg writes it: with the time of the push, and what is optional as null.
    written = {
        "created": "2026-02-03T04:05:06.789012345Z",
        "author": None,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [digest],
        "component": {"exports": ["wasi:http/incoming-handler@0.2.0"], "imports": [], "target": None},
    }
    config = Content.of(json.dumps(written).encode())
    reference = parse_reference(
        f"{docker.address}/theirs/{hashlib.sha256(layer_type.encode()).hexdigest()[:8]}:1.0.0"
    )
    manifest = documents.image_manifest(
        Descriptor(mediaType=config_type, digest=config.digest, size=config.size),
        [Descriptor(mediaType=layer_type, digest=digest, size=len(content))],
        {"org.opencontainers.image.version": "1.0.0"},
    )
    async with Client(Access()) as client:
        await client.push_blob(reference, config)
        await client.push_blob(reference, Content.of(content))
        await client.push_manifest(reference, manifest)

    done = wisp("pull", str(reference), "-o", "theirs.wasm", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "theirs.wasm").read_bytes() == content
