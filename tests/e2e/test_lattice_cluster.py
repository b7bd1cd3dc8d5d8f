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
from tests.e2e.machines import HOSTING, Machine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.host import Host

pytestmark = pytest.mark.timeout(300)


def free_address() -> str:
    """Return where nobody listens: servers of a cluster have to know each other's addresses before they run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


SERVER = ("--nats-server",)


def server() -> tuple[str, ...]:
    """Return the options of a host that runs one of the servers."""
    return (*SERVER, "--nats-listen", free_address(), "--nats-route", free_address())


def lose(machine: Machine, host: Host) -> None:
    """End all of a machine as if it was gone: its host, its NATS, and their data."""
    os.kill(host.event("nats")["pid"], signal.SIGKILL)
    host.signal(signal.SIGKILL)
    host.process.wait()
    shutil.rmtree(machine.folder / "state" / "default" / "nats")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "wisp.toml").write_text(manifest_of("http2", "/...", {}), encoding="utf-8")
    return tmp_path


def answers(host: Host) -> None:
    """Wait until a host answers: one that was missed while servers elected another leader gets an app when it is back."""
    host.until(lambda: get(f"{host.url}/hello")[0] == 200, "an answer")


def test_a_lattice_of_three_servers_loses_a_machine_and_goes_on(
    tmp_path: Path, cache: Path, app: Path
) -> None:
    machines = [Machine(tmp_path, cache, name) for name in "abc"]
    first = machines[0]

    with ExitStack() as stack:
        hosts = {"a": stack.enter_context(first.up("--nats-route", free_address()))}
        hosts["a"].event("receiving")
        for machine in machines[1:]:
            hosts[machine.name] = stack.enter_context(machine.join(first.invite(*SERVER), *server()))
            hosts[machine.name].event("nats")
        for host in hosts.values():
            host.event("joined")
        first.wisp("deploy", app, "--replicas", "2")

        lose(machines[1], hosts["b"])

        first.wisp("scale", "app", "--replicas", "per-host")
        for name in "ac":
            answers(hosts[name])
        assert {one["host"] for one in json.loads(first.wisp("hosts", "--json").stdout)} == {"a", "c"}


def test_when_the_first_machine_is_gone_another_one_with_the_authority_lets_machines_in(
    tmp_path: Path, cache: Path, app: Path
) -> None:
    first, second, third, fourth = (Machine(tmp_path, cache, name) for name in "abcd")

    with ExitStack() as stack:
        gone = stack.enter_context(first.up("--nats-route", free_address()))
        gone.event("receiving")
        key = tmp_path / "b.key"
        shutil.copyfile(first.folder / "state" / "keys" / "default", key)
        words = ("--authority-key", str(key), "--join-listen", "127.0.0.1:0")
        invitation = first.invite("--authority", *SERVER)
        named = stack.enter_context(second.join(invitation, *server(), *words))
        named.event("receiving")
        other = stack.enter_context(third.join(first.invite(*SERVER), *server()))
        for host in (gone, named, other):
            host.event("joined")

        lose(first, gone)

        invited = second.invite("--authority-key", str(key))
        new = stack.enter_context(fourth.join(invited))
        new.event("joined")
        second.wisp("deploy", app, "--replicas", "per-host")
        for host in (named, other, new):
            answers(host)
        rotated = json.loads(second.wisp("lattice", "rotate", "c", "d", "--json").stdout)
        assert [one["host"] for one in rotated] == ["c", "d"]
        since = len(new.lines)
        second.wisp("lattice", "revoke", "d", "--authority-key", key)
        new.event("away", since=since)


def test_a_lattice_of_one_server_becomes_one_of_three_by_writing_back_what_its_host_remembers(
    tmp_path: Path, cache: Path, app: Path
) -> None:
    first, second, third = (Machine(tmp_path, cache, name) for name in "abc")
    with first.up() as alone:
        alone.event("joined")
        first.wisp("deploy", app)
    refused = first.wisp("lattice", "up", "--name", "a", "--nats-route", free_address(), *HOSTING, code=1)
    (first.folder / "state/default/nats").rename(tmp_path / "nats-of-one")

    with ExitStack() as stack:
        hosts = [stack.enter_context(first.up("--nats-route", free_address()))]
        hosts[0].event("receiving")
        meanwhile = get(f"{hosts[0].url}/hello")[0]
        hosts += [
            stack.enter_context(machine.join(first.invite(*SERVER), *server())) for machine in (second, third)
        ]
        for host in hosts:
            host.until(lambda host=host: lost(host), "the loss")  # type: ignore[misc]
        first.wisp("lattice", "restore", "--name", "a")
        for host in hosts:
            host.event("joined")
        first.wisp("scale", "app", "--replicas", "per-host")

        assert "would remove them as one of several servers" in refused.stderr
        assert meanwhile == 200
        assert [get(f"{host.url}/hello")[0] for host in hosts] == [200, 200, 200]
        kept = json.loads(first.wisp("lattice", "status", "--json").stdout)["nats"]
        assert (kept["replicas"], kept["current"]) == (3, 3)


def lost(host: Host) -> bool:
    """Whether a host waits for the data of its lattice."""
    return any("NATS has lost the data" in str(line.get("message")) for line in host.lines)
