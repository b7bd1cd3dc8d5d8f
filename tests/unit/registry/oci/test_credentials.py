"""Who we are at a registry, as Docker and podman have written it down."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from wisp.errors import RegistryError
from wisp.registry.oci import credentials
from wisp.registry.oci.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

ALICE = Credentials("alice", "in:wonderland")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(file: Path, data: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def auth(who: Credentials = ALICE) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{who.user}:{who.password}".encode()).decode()}


async def test_nobody_has_logged_in() -> None:
    assert await credentials.find("ghcr.io") is None


@pytest.mark.parametrize(
    "key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v1/", "https://ghcr.io/v2/", "http://ghcr.io"]
)
async def test_docker_writes_a_registry_in_many_ways(home: Path, key: str) -> None:
    write(home / ".docker" / "config.json", {"auths": {key: auth()}})

    assert await credentials.find("ghcr.io") == ALICE
    assert await credentials.find("ghcr.io:5000") is None
    assert await credentials.find("evilghcr.io") is None


async def test_docker_hub_has_a_name_of_its_own(home: Path) -> None:
    write(home / ".docker" / "config.json", {"auths": {"https://index.docker.io/v1/": auth()}})

    assert await credentials.find("docker.io") == ALICE


async def test_podman_keeps_them_for_parts_of_a_registry(home: Path) -> None:
    bob = Credentials("bob", "b")
    write(
        home / ".config" / "containers" / "auth.json",
        {"auths": {"quay.io": auth(), "quay.io/acme": auth(bob)}},
    )

    assert await credentials.find("quay.io", "acme/shop") == bob
    assert await credentials.find("quay.io", "other/shop") == ALICE
    assert await credentials.find("quay.io", "acmecorp") == ALICE


async def test_the_first_file_that_knows_a_registry_decides(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = ["own", "docker-config", "runtime", "config", "docker"]
    files = [
        home / "own.json",
        home / "docker" / "config.json",
        home / "run" / "containers" / "auth.json",
        home / ".config" / "containers" / "auth.json",
        home / ".docker" / "config.json",
    ]
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(files[0]))
    monkeypatch.setenv("DOCKER_CONFIG", str(files[1].parent))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    for file, user in zip(files, users, strict=True):
        write(file, {"auths": {"ghcr.io": auth(Credentials(user, "x"))}})

    found = []
    for file in files:
        who = await credentials.find("ghcr.io")
        assert who is not None
        found.append(who.user)
        file.unlink()

    assert found == users


async def test_tokens_are_read_too(home: Path) -> None:
    entries = {"a.example": {"identitytoken": "i"}, "b.example": {"registrytoken": "r"}}
    write(home / ".docker" / "config.json", {"auths": entries})

    assert await credentials.find("a.example") == Credentials(identity="i")
    assert await credentials.find("b.example") == Credentials(bearer="r")


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
async def test_a_helper_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    helper(home, monkeypatch, 'read server; echo "{\\"Username\\": \\"$server\\", \\"Secret\\": \\"$1\\"}"')
    data = {"credHelpers": {"ghcr.io": "test"}} if key == "credHelpers" else {"credsStore": "test"}
    write(home / ".docker" / "config.json", data)

    assert await credentials.find("ghcr.io") == Credentials("ghcr.io", "get")


async def test_a_helper_may_have_a_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, """echo '{"Username": "<token>", "Secret": "s"}'""")
    write(home / ".docker" / "config.json", {"credsStore": "test"})

    assert await credentials.find("ghcr.io") == Credentials(identity="s")


async def test_a_store_that_knows_nothing_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, "echo credentials not found in native keychain; exit 1")
    write(home / ".docker" / "config.json", {"credsStore": "test", "auths": {"ghcr.io": auth()}})

    assert await credentials.find("ghcr.io") == ALICE


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo the key ring is locked; exit 1", "failed: the key ring is locked"),
        ("echo nothing", "gave no credentials"),
    ],
)
async def test_a_helper_that_fails_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    helper(home, monkeypatch, script)
    write(home / ".docker" / "config.json", {"credHelpers": {"ghcr.io": "test"}})

    with pytest.raises(RegistryError, match=said):
        await credentials.find("ghcr.io")


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing", "which cannot be started"), ("../evil", "cannot be one"), ("a b", "cannot be one")],
)
async def test_a_helper_that_cannot_be_is_told(home: Path, name: str, said: str) -> None:
    write(home / ".docker" / "config.json", {"credHelpers": {"ghcr.io": name}})

    with pytest.raises(RegistryError, match=said):
        await credentials.find("ghcr.io")


@pytest.mark.parametrize("text", ["{", "\x00", '{"auths": {"ghcr.io": {"auth": "%%%"}}}'])
async def test_a_damaged_file_is_told_and_not_passed_over(home: Path, text: str) -> None:
    file = write(home / ".docker" / "config.json", {})
    file.write_text(text, encoding="utf-8")

    with pytest.raises(RegistryError, match="cannot be read"):
        await credentials.find("ghcr.io")


@pytest.mark.parametrize(
    "data", [[], 1, {"auths": []}, {"auths": {"ghcr.io": []}}, {"credHelpers": 1}, {"credsStore": {}}]
)
async def test_what_is_not_understood_is_nobody(home: Path, data: object) -> None:
    write(home / ".docker" / "config.json", data)

    assert await credentials.find("ghcr.io") is None


def test_secrets_are_not_in_what_is_printed_of_credentials() -> None:
    shown = repr(Credentials("alice", "PASS", "IDENTITY", "BEARER"))

    assert "alice" in shown
    assert not any(secret in shown for secret in ("PASS", "IDENTITY", "BEARER"))
