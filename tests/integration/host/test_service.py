"""A whole host: the real supervisor, the real workers, real connections.

The app has no routes, so that no component needs to be built: every request is answered with 404, by a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from wisp.errors import HostError, WispError
from wisp.host import binary
from wisp.host.address import Address
from wisp.host.control import Ready
from wisp.host.log import Log
from wisp.host.service import Listening, Service, Surroundings
from wisp.host.settings import HostSettings, HttpSettings, LogSettings, Start, TlsSettings
from wisp.host.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wisp.host.settings import JsonObject

LOOPBACK = Address("127.0.0.1", 0)
DIGEST = "sha256:" + "0" * 64
PATIENCE = 20.0


def app(version: str) -> JsonObject:
    return {"schema": 1, "name": "empty", "version": version, "http": [], "components": {}}


@dataclass
class Running:
    """A host that runs in this process, and what it said."""

    settings: HostSettings
    watch: bool = False
    admin: Address | None = LOOPBACK
    prepared: list[Start | WispError] = field(default_factory=lambda: [Start((app("1"),), {})])
    recovered: list[str] = field(default_factory=list)
    failures: list[WispError] = field(default_factory=list)
    listening: asyncio.Future[Listening] = field(default_factory=asyncio.Future)
    events: asyncio.Queue[dict[str, object]] = field(default_factory=asyncio.Queue)

    async def prepare(self) -> Start:
        """Give the next of what is prepared; the last one again and again."""
        outcome = self.prepared.pop(0) if len(self.prepared) > 1 else self.prepared[0]
        if isinstance(outcome, WispError):
            raise outcome
        return outcome

    async def recover(self, digest: str) -> JsonObject:
        self.recovered.append(digest)
        return {"path": "/no/such.cwasm", "size": 2, "profile": "sync", "resources": {}}

    async def event(self, name: str) -> dict[str, object]:
        """Wait for an event of the supervisor's log, and skip those before it."""
        async with asyncio.timeout(PATIENCE):
            while (event := await self.events.get())["event"] != name:
                pass
        return event

    async def url(self) -> Listening:
        return await asyncio.wait_for(asyncio.shield(self.listening), PATIENCE)

    async def address(self) -> tuple[str, int]:
        host, _, port = (await self.url()).url.rpartition("/")[2].rpartition(":")
        return host, int(port)

    async def admin_page(self, name: str, method: str = "GET") -> tuple[int, dict[str, object]]:
        listening = await self.url()
        assert listening.admin is not None
        host, _, port = listening.admin.rpartition("/")[2].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{method} /.well-known/wisp/{name} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body or b"{}")

    async def pids(self) -> list[int]:
        _, health = await self.admin_page("health")
        workers = health["workers"]
        assert isinstance(workers, list)
        return [worker["pid"] for worker in workers]


@contextlib.asynccontextmanager
async def running(host: Running) -> AsyncIterator[asyncio.Task[int]]:
    """Run a host until the block ends; it gets SIGTERM then, if it still runs."""
    reading, writing = os.pipe()
    log = Log(LogSettings(format="json"), writing)
    around = Surroundings(host.prepare, host.recover, host.listening.set_result, host.failures.append, log)
    collecting = asyncio.create_task(collect(reading, host.events))
    task = asyncio.create_task(Service(host.settings, around, admin=host.admin, watch=host.watch).run())
    try:
        yield task
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, PATIENCE) == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(writing)
        await collecting


async def collect(descriptor: int, events: asyncio.Queue[dict[str, object]]) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    async for line in reader:
        events.put_nowait(json.loads(line))
    transport.close()


def settings(**changes: object) -> HostSettings:
    values: dict[str, object] = {
        "address": LOOPBACK,
        "workers": 2,
        "log": LogSettings(format="json", access=False),
        "drain_timeout": 5.0,
    }
    return HostSettings(**{**values, **changes})  # type: ignore[arg-type]


async def get(address: tuple[str, int]) -> int:
    """Make one request on a connection of its own, and return the status."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


@dataclass
class Load:
    """Clients that ask all the time, each on a connection that it keeps while the server does."""

    address: tuple[str, int]
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, count: int) -> None:
        """Wait until so many more requests have been answered."""
        goal = self.answered + count
        async with asyncio.timeout(PATIENCE), self.progress:
            await self.progress.wait_for(lambda: self.answered >= goal)

    async def client(self) -> None:
        while True:
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                while await self._ask(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed.append(repr(error))
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split()[0])
        await reader.readexactly(length)
        async with self.progress:
            self.answered += 1
            self.progress.notify_all()
        return b"connection: close" not in head


@contextlib.asynccontextmanager
async def loaded(address: tuple[str, int], clients: int = 8) -> AsyncIterator[Load]:
    load = Load(address)
    tasks = [asyncio.create_task(load.client()) for _ in range(clients)]
    yield load
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_requests_are_answered_by_as_many_workers_as_asked_for() -> None:
    host = Running(settings(workers=3))

    async with running(host):
        address = await host.address()
        statuses = [await get(address) for _ in range(20)]
        pids = await host.pids()

    assert statuses == [404] * 20
    assert len(set(pids)) == 3


async def test_the_listening_line_names_both_addresses() -> None:
    host = Running(settings())

    async with running(host):
        event = await host.event("listening")
        listening = await host.url()

    assert event["url"] == listening.url
    assert event["admin"] == listening.admin


async def test_a_host_is_healthy_and_ready_and_counts_its_requests() -> None:
    host = Running(settings())

    async with running(host):
        for _ in range(5):
            await get(await host.address())
        health = await host.admin_page("health")
        ready = await host.admin_page("ready")
        metrics = await host.admin_page("metrics")

    assert health[0] == ready[0] == metrics[0] == 200
    assert ready[1] == {"status": "ready"}
    assert metrics[1]["workers"] == 2
    assert metrics[1]["requests"] == 5


async def test_the_admin_listener_answers_only_what_it_has() -> None:
    host = Running(settings(workers=1))

    async with running(host):
        missing = await host.admin_page("secrets")
        written = await host.admin_page("health", "POST")
        head = await host.admin_page("health", "HEAD")

    assert missing[0] == missing[1]["status"] == 404
    assert written[0] == 405
    assert head == (200, {})


async def test_a_killed_worker_is_replaced_and_the_others_go_on() -> None:
    host = Running(settings())

    async with running(host):
        address = await host.address()
        killed, kept = await host.pids()
        os.kill(killed, signal.SIGKILL)
        died = await host.event("worker-died")
        back = await host.event("worker-restarted")
        statuses = [await get(address) for _ in range(20)]
        pids = await host.pids()

    assert died["worker"] == back["worker"] == 0
    assert died["message"] == "worker 0 was killed by SIGKILL"
    assert statuses == [404] * 20
    assert pids == [back["pid"], kept]


async def test_no_request_fails_when_the_host_reloads_under_load() -> None:
    host = Running(settings())

    async with running(host):
        before = await host.pids()
        async with loaded(await host.address()) as load:
            for _ in range(3):
                await load.more(100)
                os.kill(os.getpid(), signal.SIGHUP)
                await host.event("reloaded")
            await load.more(100)
        after = await host.pids()

    assert load.failed == []
    assert not set(before) & set(after)


async def test_a_reload_that_fails_keeps_what_is_served_and_says_why() -> None:
    host = Running(settings())
    host.prepared.append(HostError("no such folder"))

    async with running(host):
        before = await host.pids()
        os.kill(os.getpid(), signal.SIGHUP)
        event = await host.event("reload-failed")
        status = await get(await host.address())
        after = await host.pids()

    assert event["message"] == "reload failed, the old apps go on: no such folder"
    assert [error.message for error in host.failures] == ["no such folder"]
    assert status == 404
    assert before == after


async def test_a_reload_to_apps_that_workers_refuse_keeps_what_is_served() -> None:
    host = Running(settings())
    refused = {**app("2"), "http": [{"route": "/", "methods": [], "hosts": [], "component": "gone"}]}
    host.prepared.append(Start((refused,), {}))

    async with running(host):
        before = await host.pids()
        os.kill(os.getpid(), signal.SIGHUP)
        event = await host.event("reload-failed")
        after = await host.pids()

    assert "gone" in str(event["message"])
    assert before == after


async def test_a_changed_source_reloads_and_an_unchanged_app_does_not(tmp_path: Path) -> None:
    first, second = (Start((app(version),), {}, watch=(tmp_path,)) for version in "12")
    host = Running(settings(), watch=True, prepared=[first, first, second])

    async with running(host):
        await host.url()
        for number in range(100):
            (tmp_path / "source.py").write_text(str(number), encoding="utf-8")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(host.event("reloaded"), 0.5)
                break
        _, health = await host.admin_page("health")

    assert health["generation"] == 2


async def test_an_artifact_that_workers_refuse_is_compiled_anew_once() -> None:
    limits = {
        "memory": 1 << 20,
        "timeout_ms": 1000,
        "concurrency": 1,
        "queue": 1,
        "queue_timeout_ms": 1,
        "body": 1,
    }
    instances = {"reuse": 1, "idle_ms": 1, "concurrency": 1}
    component = {"digest": DIGEST, "environment": {}, "limits": limits, "instances": instances}
    resources = {"core_instances": 1, "memories": 1, "tables": 1, "table_elements": 1}
    artifact = {"path": "/no/such.cwasm", "size": 1, "profile": "sync", "resources": resources}
    start = Start(({**app("1"), "components": {"torn": component}},), {DIGEST: artifact})
    host = Running(settings(), prepared=[start])
    host.recover = lambda digest: recovered(host, digest, artifact)  # type: ignore[method-assign]

    with pytest.raises(HostError) as caught:
        async with running(host) as task:
            await task

    assert caught.value.kind == "artifact"
    assert host.recovered == [DIGEST]


async def recovered(host: Running, digest: str, artifact: JsonObject) -> JsonObject:
    """Give the artifact back as it was, as if compiling it anew had not helped."""
    host.recovered.append(digest)
    return artifact


async def test_a_certificate_that_cannot_be_read_is_said_once_and_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch()
    tls = TlsSettings(tmp_path / "missing.pem", tmp_path / "key.pem")
    host = Running(settings(http=HttpSettings(tls=tls)))

    with pytest.raises(HostError) as caught:
        async with running(host) as task:
            await task

    assert caught.value.kind == "tls"
    assert "missing.pem" in caught.value.message


async def test_a_port_in_use_is_said_before_anything_is_prepared() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = Running(settings(address=Address("127.0.0.1", server.getsockname()[1])))
        host.prepared = [HostError("prepared")]

        with pytest.raises(HostError, match="the port is in use"):
            async with running(host) as task:
                await task


async def test_an_admin_port_in_use_is_an_error_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = Running(settings(), admin=Address("127.0.0.1", server.getsockname()[1]))

        with pytest.raises(HostError, match="for the admin listener") as caught:
            async with running(host) as task:
                await task

    assert "--admin" in (caught.value.hint or "")


async def test_a_signal_to_stop_while_the_app_is_prepared_ends_the_start() -> None:
    host = Running(settings())
    preparing = asyncio.Event()

    async def prepare() -> Start:
        preparing.set()
        return await asyncio.Future()

    host.prepare = prepare  # type: ignore[method-assign]

    async with running(host) as task:
        await asyncio.wait_for(preparing.wait(), PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

        assert await asyncio.wait_for(task, PATIENCE) == 130


async def test_a_request_that_was_accepted_is_answered_while_the_host_drains() -> None:
    host = Running(settings())

    async with running(host) as task:
        address = await host.address()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\n")  # the head is not complete yet
        await until_accepted(host)
        os.kill(os.getpid(), signal.SIGTERM)
        await host.event("draining")
        writer.write(b"\r\n")
        answer = (await asyncio.wait_for(reader.read(), PATIENCE)).lower()
        writer.close()
        assert await asyncio.wait_for(task, PATIENCE) == 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    assert answer.startswith(b"http/1.1 404")
    assert b"connection: close" in answer


async def until_accepted(host: Running) -> None:
    """Wait until the workers have taken what waits in their sockets: they answer a later connection of each socket."""
    address = await host.address()
    for _ in range(32):
        assert await get(address) == 404


async def test_a_second_ctrl_c_does_not_wait_for_slow_clients() -> None:
    host = Running(settings(drain_timeout=600.0))

    async with running(host) as task:
        reader, writer = await asyncio.open_connection(*await host.address())
        writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\n")
        await until_accepted(host)
        os.kill(os.getpid(), signal.SIGINT)
        await host.event("draining")
        os.kill(os.getpid(), signal.SIGINT)

        assert await asyncio.wait_for(task, PATIENCE) == 0
        writer.close()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


async def test_a_worker_whose_supervisor_is_gone_ends() -> None:
    told = Start((app("1"),), {}).message(0, settings(workers=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        worker = await Worker.spawn(binary.find(), 0, listener)
        assert isinstance(await worker.start(told, PATIENCE), Ready)

        worker._channel.close()

        assert await asyncio.wait_for(worker.ended(), PATIENCE) == "ended with exit code 0"
