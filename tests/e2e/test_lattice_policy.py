"""Hosts that trust some keys only, in a lattice to which apps of a registry are deployed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.lattice import Lattice
from tests.e2e.test_lattice import app, version
from tests.integration.cli.program import wisp
from tests.integration.registry.registries import docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds and compiles the guests, and brings the registry.
pytestmark = pytest.mark.timeout(600)
PASSWORD = {"COSIGN_PASSWORD": "secret"}


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def test_a_host_runs_what_its_keys_vouch_for_and_says_why_it_runs_nothing_else(
    lattice: Lattice, tmp_path: Path
) -> None:
    assert wisp("key", "new", "acme", folder=tmp_path, **PASSWORD).returncode == 0
    policy = tmp_path / "policy.toml"
    policy.write_text('[[trust]]\nname = "..."\nkeys = ["acme.pub"]\n', encoding="utf-8")
    lattice.start("a")
    lattice.start("b", "--policy", str(policy))
    with docker_registry(tmp_path / "registry") as registry:
        reference = f"{registry.address}/acme/shop"
        for number in ("1", "2"):
            lattice.wisp("push", app(tmp_path, version=number), f"{reference}:{number}")
        signed = wisp("sign", f"{reference}:1", "--key", "acme.key", folder=tmp_path, **PASSWORD)
        assert signed.returncode == 0, signed.stderr

        lattice.wisp("deploy", f"{reference}:1", "--replicas", "per-host")
        assert [version(lattice, host) for host in "ab"] == ["1", "1"]
        refused = lattice.wisp("deploy", f"{reference}:2", code=1)
        here = lattice.wisp("deploy", f"{reference}:2", "--policy", policy, code=1)

    assert "host b: " in refused.stderr
    assert "is refused by the policy" in refused.stderr
    assert "it is not signed" in refused.stderr
    assert version(lattice, "b") == "1", "what ran goes on"
    assert "it is not signed" in here.stderr
    states = {
        one["host"]: one["error"] for one in json.loads(lattice.wisp("app", "shop", "--json").stdout)["hosts"]
    }
    assert states["a"] is None
    assert "it is not signed" in states["b"]

    lattice.wisp("rollback", "shop")
    assert [version(lattice, host) for host in "ab"] == ["1", "1"]
    lattice.wisp("deploy", app(tmp_path, version="3"))
    assert [version(lattice, host) for host in "ab"] == ["3", "3"], "an app of a folder is nobody's artifact"
