"""Three machines, each with a NATS server: one of them is lost, with all that was on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.lattice import get
from tests.e2e.machines import Machine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


def free_address() -> str:
    """Return where nobody listens: servers of a cluster have to know each other's addresses before they run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_lattice_of_three_servers_loses_a_machine_and_goes_on(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "wisp.toml").write_text(manifest_of("http2", "/...", {}), encoding="utf-8")
    machines = [Machine(tmp_path, cache, name) for name in "abc"]
    first = machines[0]

    with ExitStack() as stack:
        hosts = {"a": stack.enter_context(first.up("--nats-route", free_address()))}
        hosts["a"].event("receiving")
        for machine in machines[1:]:
            invitation = first.invite("--nats-server")
            words = ("--nats-server", "--nats-listen", free_address(), "--nats-route", free_address())
            hosts[machine.name] = stack.enter_context(machine.join(invitation, *words))
            hosts[machine.name].event("nats")
        for host in hosts.values():
            host.event("joined")
        first.wisp("deploy", tmp_path, "--replicas", "2")

        # The machine is gone: its host, its NATS, and their data.
        lost = hosts["b"]
        os.kill(lost.event("nats")["pid"], signal.SIGKILL)
        lost.signal(signal.SIGKILL)
        lost.process.wait()
        shutil.rmtree(machines[1].folder / "state" / "default" / "nats")

        first.wisp("scale", "app", "--replicas", "per-host")
        assert [get(f"{hosts[name].url}/hello")[0] for name in "ac"] == [200, 200]
        assert {one["host"] for one in json.loads(first.wisp("hosts", "--json").stdout)} == {"a", "c"}
