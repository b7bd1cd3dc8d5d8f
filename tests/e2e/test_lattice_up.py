"""`wisp lattice up`: NATS and a first host in one command."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.lattice import Clients, get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)
WORDS = ("--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--workers", "1", "--log-format", "json")


def up(folder: Path, variables: Mapping[str, str]) -> Host:
    return Host(*WORDS, folder=folder, variables=variables, listen=None, command=("lattice", "up"))


def wisp(variables: Mapping[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=dict(variables), capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def variables(tmp_path: Path, cache: Path) -> dict[str, str]:
    (tmp_path / "wisp.toml").write_text(manifest_of("http2", "/...", {}), encoding="utf-8")
    return environment(cache, WISP_STATE_DIR=str(tmp_path / "state"))


def test_commands_on_the_machine_find_it_and_others_cannot(tmp_path: Path, variables: dict[str, str]) -> None:
    with up(tmp_path, variables) as host:
        host.event("joined")
        deployed = wisp(variables, "deploy", tmp_path)
        assert deployed.returncode == 0, deployed.stderr

        assert get(f"{host.url}/hello")[0] == 200
        for name in ("nats/nats.conf", "reach.json", "operator.creds", "authority/sealed.json"):
            assert stat.S_IMODE((tmp_path / "state/default" / name).stat().st_mode) == 0o600


def test_nats_that_is_killed_is_started_again_and_no_request_notices(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with up(tmp_path, variables) as host:
        host.event("joined")
        assert wisp(variables, "deploy", tmp_path).returncode == 0

        with Clients(lambda: get(f"{host.url}/hello")) as clients:
            since = len(host.lines)
            os.kill(host.event("nats")["pid"], signal.SIGKILL)
            host.event("nats", since=since)
            host.event("joined", since=since)
            assert wisp(variables, "scale", "app", "--replicas", "per-host").returncode == 0

        assert clients.failures == []


def test_what_was_deployed_runs_after_a_kill_of_all_of_it(tmp_path: Path, variables: dict[str, str]) -> None:
    with up(tmp_path, variables) as host:
        host.event("joined")
        assert wisp(variables, "deploy", tmp_path).returncode == 0
        host.signal(signal.SIGKILL)
        host.process.wait()

    with up(tmp_path, variables) as host:
        host.event("joined")

        assert get(f"{host.url}/hello")[0] == 200
        assert "app" in wisp(variables, "apps").stdout


def test_the_address_of_nats_that_another_program_has_is_said(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with up(tmp_path, variables) as host:
        host.event("joined")
        taken = wisp(
            variables, "lattice", "up", "--lattice", "other", "--nats-listen", host.url.partition("//")[2]
        )

    assert taken.returncode == 1
    assert "nats-server does not start" in taken.stderr
    assert "--nats-listen" in taken.stderr
