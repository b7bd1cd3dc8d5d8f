"""A host from its start to its end, with much going on: crashes, reloads, drains, many connections."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import pytest

from tests.e2e.host import PATIENCE
from tests.e2e.wire import Address, Connection, get

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host
    from tests.guests.build import Name

CONNECTIONS = 1000


class Load:
    """Clients that ask all the time, each on one connection that it keeps for as long as the host does."""

    def __init__(self, address: Address, *, clients: int = 8) -> None:
        self._address = address
        self.answered = 0
        self.failed: list[str] = []
        self._changed = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more requests have been answered."""
        with self._changed:
            goal = self.answered + count
            assert self._changed.wait_for(lambda: self.answered >= goal, PATIENCE)

    def _client(self, number: int) -> None:
        target = ("/hello", "/slow?ms=10", "/huge?bytes=100000", "/counter")[number % 4]
        while not self._over:
            try:
                with Connection(self._address) as connection:
                    while not self._over and self._ask(connection, target):
                        pass
            except (OSError, EOFError) as error:
                self.failed.append(repr(error))

    def _ask(self, connection: Connection, target: str) -> bool:
        answer = connection.ask("GET", target)
        with self._changed:
            if answer.status == 200:
                self.answered += 1
            else:
                self.failed.append(f"{answer.status} {answer.text}")
            self._changed.notify_all()
        return answer.header("connection") != "close"


def test_a_killed_worker_takes_only_its_own_connections_and_is_replaced(serve: Serve) -> None:
    host = serve("--workers", "2")
    kept, killed = host.pids()
    connections = [Connection(host.address) for _ in range(32)]
    with ExitStack() as stack:
        for connection in connections:
            stack.enter_context(connection).ask("GET", "/hello")
        on_kept = [
            connection
            for connection in connections
            if worker_of(host, connection) == 0  # the worker that lives
        ]

        with Load(host.address) as load:
            load.more(100)
            os.kill(killed, signal.SIGKILL)
            died = host.event("worker-died")
            back = host.event("worker-restarted")
            load.more(100)
        statuses = [connection.ask("GET", "/hello").status for connection in on_kept]

    assert died["worker"] == back["worker"] == 1
    assert 0 < len(on_kept) < len(connections)
    assert statuses == [200] * len(on_kept)
    assert len(load.failed) <= 8, "more than one failure for each client"
    assert host.pids() == [kept, back["pid"]]


def worker_of(host: Host, connection: Connection) -> int:
    headers = dict(connection.ask("GET", "/headers").json["headers"])
    return int(host.line(kind="access", request_id=headers["x-request-id"])["worker"])


@pytest.mark.parametrize("guest", ["http2", "http3"])
def test_no_request_fails_while_the_host_reloads_under_load(serve: Serve, guest: Name) -> None:
    host = serve("--no-access-log", guest=guest)
    before = host.pids()

    with Load(host.address) as load:
        for _ in range(3):
            load.more(100)
            since = len(host.lines)
            host.signal(signal.SIGHUP)
            host.event("reloaded", since=since)
        load.more(100)

    assert load.failed == []
    assert not set(before) & set(host.pids())


def test_a_reload_serves_what_the_manifest_says_now(serve: Serve, tmp_path: Path) -> None:
    host = serve(environment={"VERSION": "1"})
    before = get(host.address, "/environment").json

    manifest = tmp_path / "wisp.toml"
    manifest.write_text(manifest.read_text().replace('VERSION = "1"', 'VERSION = "2"'), encoding="utf-8")
    host.signal(signal.SIGHUP)
    host.event("reloaded")

    assert before == {"VERSION": "1"}
    assert [get(host.address, "/environment").json for _ in range(20)] == [{"VERSION": "2"}] * 20


def test_a_reload_to_a_broken_manifest_keeps_the_old_app_and_says_why(serve: Serve, tmp_path: Path) -> None:
    host = serve()
    before = host.pids()

    (tmp_path / "wisp.toml").write_text("[app\n", encoding="utf-8")
    host.signal(signal.SIGHUP)
    event = host.event("reload-failed")

    assert "wisp.toml" in event["message"]
    assert get(host.address, "/hello").status == 200
    assert host.pids() == before


def test_a_changed_manifest_reloads_by_itself_when_asked_to(serve: Serve, tmp_path: Path) -> None:
    host = serve("--watch", environment={"VERSION": "1"})
    before = get(host.address, "/environment").json

    manifest = tmp_path / "wisp.toml"
    manifest.write_text(manifest.read_text().replace('VERSION = "1"', 'VERSION = "2"'), encoding="utf-8")
    host.event("reloaded")

    assert before == {"VERSION": "1"}
    assert [get(host.address, "/environment").json for _ in range(20)] == [{"VERSION": "2"}] * 20


@pytest.mark.parametrize("guest", ["http2", "http3"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_lets_an_accepted_request_end(
    serve: Serve, guest: Name, number: signal.Signals
) -> None:
    host = serve(guest=guest)

    with Connection(host.address) as connection:
        connection.begin("GET", "/slow?ms=700")
        host.until_active(1)
        host.signal(number)
        host.event("draining")
        answer = connection.answer()
        rest = connection.rest()
    code = host.ended()

    assert (answer.status, answer.text, rest) == (200, "slept", b"")
    assert answer.header("connection") == "close"
    assert code == 0
    with pytest.raises(ConnectionRefusedError):
        Connection(host.address)


def test_a_request_that_takes_longer_than_the_drain_is_cut(serve: Serve) -> None:
    host = serve("--drain-timeout", "300ms")

    with Connection(host.address) as connection:
        connection.begin("GET", "/sse?events=2&pause=25000")
        connection.head()
        host.signal(signal.SIGTERM)
        with pytest.raises((EOFError, ConnectionResetError)):
            connection.rest_of_chunks()

    assert host.ended() == 0


def test_workers_end_when_the_supervisor_is_killed(serve: Serve) -> None:
    host = serve()
    pids = [os.pidfd_open(pid) for pid in host.pids()]

    with Connection(host.address) as connection:
        connection.begin("GET", "/slow?ms=300")
        host.until_active(1)
        host.process.kill()
        answer = connection.answer()
    for pid in pids:
        assert select.select([pid], [], [], PATIENCE)[0]
        os.close(pid)

    assert answer.text == "slept"


def test_a_thousand_connections_are_served(serve: Serve) -> None:
    host = serve("--no-access-log", limits={"concurrency": 64, "queue": 2000, "queue_timeout": "30s"})

    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(host.address)) for _ in range(CONNECTIONS)]
        for connection in connections:
            connection.begin("GET", "/slow?ms=20")
        statuses = {connection.answer().status for connection in connections}
        open_now = host.admin("metrics")["connections"]
        for connection in connections:
            connection.begin("GET", "/hello")
        again = {connection.answer().text for connection in connections}

    assert statuses == {200}
    assert open_now == CONNECTIONS
    assert again == {"Hello, world!"}


def test_connections_beyond_the_most_wait_until_others_close(serve: Serve) -> None:
    host = serve("--workers", "1", "--max-connections", "2")

    with Connection(host.address) as first, Connection(host.address) as second:
        first.ask("GET", "/hello")
        second.ask("GET", "/hello")
        with Connection(host.address) as third:
            third.begin("GET", "/hello")
            first.close()
            status = third.answer().status

    assert status == 200


def test_health_and_readiness_are_on_a_listener_of_their_own(serve: Serve) -> None:
    host = serve("--workers", "3")

    health, ready = host.admin("health"), host.admin("ready")
    on_the_apps = get(host.address, "/.well-known/wisp/health")

    assert (health["status"], len(health["workers"])) == ("ok", 3)
    assert ready == {"status": "ready"}
    assert on_the_apps.text == "Hello, world!"
