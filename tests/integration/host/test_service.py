"""Serving, reloading, draining."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.integration.host.hosts import (
    DIGEST,
    PATIENCE,
    Running,
    app,
    get,
    limits,
    loaded,
    no_grants,
    running,
    settings,
)
from wisp.errors import HostError
from wisp.host import binary
from wisp.host.address import Address
from wisp.host.control import Ready
from wisp.host.doors import Opened
from wisp.host.settings import HttpSettings, Start, TlsSettings
from wisp.host.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.host.settings import JsonObject


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
    route: dict[str, object] = {
        "route": "/",
        "methods": [],
        "hosts": [],
        "component": "gone",
        "response": None,
        "convention": "wisp",
    }
    refused = {**app("2"), "http": [route]}
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
    instances = {"reuse": 1, "idle_ms": 1, "concurrency": 1}
    component = {
        "digest": DIGEST,
        "environment": {},
        "grants": no_grants(),
        "limits": limits(),
        "instances": instances,
        "links": {},
    }
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
        idle = [await kept(address) for _ in range(32)]
        os.kill(os.getpid(), signal.SIGTERM)
        for answers, asks in idle:  # which a worker closes once it drains
            await asyncio.wait_for(answers.read(), PATIENCE)
            asks.close()
        writer.write(b"\r\n")
        answer = (await asyncio.wait_for(reader.read(), PATIENCE)).lower()
        writer.close()
        assert await asyncio.wait_for(task, PATIENCE) == 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    assert answer.startswith(b"http/1.1 404")
    assert b"connection: close" in answer


async def kept(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection on which a request was answered."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    return reader, writer


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
        worker = await Worker.spawn(binary.find(), 0, Opened(listener))
        assert isinstance(await worker.start(told, PATIENCE), Ready)

        worker._channel.close()

        assert await asyncio.wait_for(worker.ended(), PATIENCE) == "ended with exit code 0"
