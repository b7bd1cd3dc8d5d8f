"""Workers that die, and do not come back as they should."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.integration.host.hosts import PATIENCE, Running, get, running, settings
from wisp.errors import HostError
from wisp.host import binary
from wisp.host.settings import HttpSettings, TlsSettings

CERTIFICATE = Path("crates/host/tests/http_support/localhost.pem")
KEY = Path("crates/host/tests/http_support/localhost.key.pem")


class Program:
    """A program that starts the real worker, until it is told to fail instead."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._worker = binary.find()
        self.works()

    def works(self) -> None:
        self._write(f'exec "{self._worker}" "$@"')

    def fails(self) -> None:
        self._write("exit 9")

    def _write(self, line: str) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        beside.chmod(0o755)
        beside.replace(self._path)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Let hosts start this program as their workers."""
    chosen = Program(tmp_path / "wisp-worker")
    monkeypatch.setenv("WISP_WORKER", str(tmp_path / "wisp-worker"))
    return chosen


@pytest.fixture
def tls(tmp_path: Path) -> TlsSettings:
    """A certificate that a test may take away from the workers."""
    shutil.copy(CERTIFICATE, tmp_path / "certificate.pem")
    shutil.copy(KEY, tmp_path / "key.pem")
    return TlsSettings(tmp_path / "certificate.pem", tmp_path / "key.pem")


async def test_a_worker_that_dies_again_and_again_is_said_once_and_tried_until_it_is_back(
    program: Program,
) -> None:
    host = Running(settings())

    async with running(host):
        address = await host.address()
        killed, kept = await host.pids()
        program.fails()
        os.kill(killed, signal.SIGKILL)
        complaint = await host.event("worker-failed")
        closed = await host.event("slot-closed")
        statuses = [await get(address) for _ in range(20)]
        health = await host.admin_page("ready")
        program.works()
        back = await host.event("worker-restarted")

    assert complaint["worker"] == closed["worker"] == back["worker"] == 0
    assert "it ended with exit code 9 before it was ready; trying again" in str(complaint["message"])
    assert statuses == [404] * 20
    assert health[0] == 200
    assert kept not in {killed, back["pid"]}


async def test_a_worker_that_says_why_it_cannot_start_is_not_tried_again_before_a_reload(
    tls: TlsSettings,
) -> None:
    host = Running(settings(http=HttpSettings(tls=tls)))

    async with running(host):
        killed, _ = await host.pids()
        aside = tls.certificate.rename(tls.certificate.with_suffix(".aside"))
        os.kill(killed, signal.SIGKILL)
        failed = await host.event("worker-failed")
        aside.rename(tls.certificate)
        one_left = await host.pids()
        os.kill(os.getpid(), signal.SIGHUP)
        await host.event("reloaded")
        again = await host.pids()

    assert failed["reason"] == "tls"
    assert "it is not tried again before a reload" in str(failed["message"])
    assert one_left[0] is None
    assert None not in again


async def test_a_host_whose_last_worker_cannot_start_ends_with_the_reason(tls: TlsSettings) -> None:
    host = Running(settings(workers=1, http=HttpSettings(tls=tls)))

    async with running(host) as task:
        (killed,) = await host.pids()
        tls.certificate.unlink()
        os.kill(killed, signal.SIGKILL)

        with pytest.raises(HostError, match=r"no worker is left: worker 0 cannot start: .*certificate\.pem"):
            await asyncio.wait_for(task, PATIENCE)


async def test_a_reload_replaces_a_worker_that_is_about_to_be_tried_again(program: Program) -> None:
    host = Running(settings(workers=1))

    async with running(host):
        (killed,) = await host.pids()
        program.fails()
        os.kill(killed, signal.SIGKILL)
        await host.event("worker-failed")
        unready = await host.admin_page("ready")
        program.works()
        os.kill(os.getpid(), signal.SIGHUP)
        await host.event("reloaded")
        ready = await host.admin_page("ready")
        status = await get(await host.address())

    assert unready[0] == 503
    assert ready[0] == 200
    assert status == 404
