"""Registries that tests share: what one pushes lies in repositories of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.hostile import Hostile
from tests.integration.registry.registries import docker_registry, programs, referrers_registry
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.registry.registries import Registry


@pytest.fixture(scope="session", autouse=True)
def brought() -> None:
    """Bring the registries before a test says that its home is elsewhere."""
    programs()


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return Debian's docker-registry, open to everybody."""
    with docker_registry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry


@pytest.fixture(scope="session")
def other() -> Iterator[Registry]:
    """Return a registry that somebody else wrote."""
    with referrers_registry() as registry:
        yield registry


@pytest.fixture(params=["docker", "other"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """Return each of them."""
    found: Registry = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let nobody have logged in anywhere, and nothing be known from before."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """Return a registry that answers what the test wants."""
    with Hostile() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Return an empty cache."""
    return Cache.open(tmp_path / "cache")
