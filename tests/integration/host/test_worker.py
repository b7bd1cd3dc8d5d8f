"""How the supervisor's side gets on with programs that are no workers, or bad ones."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from wisp.errors import HostError
from wisp.host import worker as workers
from wisp.host.control import Failed
from wisp.host.doors import Opened
from wisp.host.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT = "import signal; signal.pause()"
CONTROL = "import socket, sys; control = socket.socket(fileno=int(sys.argv[2]))"


@contextlib.asynccontextmanager
async def spawned(folder: Path, script: str) -> AsyncIterator[Worker]:
    """Spawn a program in Python in the place of a worker; it is gone at the end."""
    program = folder / "program"
    program.write_text(f"#!{sys.executable} -S\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = await Worker.spawn(program, 0, Opened(listener))
        yield worker
        worker.kill()
        await worker.ended()


async def test_a_program_that_ends_before_it_is_ready_has_failed(tmp_path: Path) -> None:
    async with spawned(tmp_path, "raise SystemExit(7)") as worker:
        outcome = await worker.start({"start": {}}, 10)

    assert outcome == Failed(workers.DIED, "it ended with exit code 7 before it was ready")


async def test_a_program_that_is_killed_before_it_is_ready_has_failed_by_the_signal(tmp_path: Path) -> None:
    async with spawned(tmp_path, "import os; os.abort()") as worker:
        outcome = await worker.start({"start": {}}, 10)

    assert outcome == Failed(workers.DIED, "it was killed by SIGABRT before it was ready")


async def test_a_program_that_does_not_answer_has_failed_when_its_time_is_over(tmp_path: Path) -> None:
    async with spawned(tmp_path, WAIT) as worker:
        outcome = await worker.start({"start": {}}, 0.1)

    assert outcome == Failed(workers.DIED, "it was not ready within 0.1 s")


async def test_a_program_that_answers_something_else_has_failed_and_is_ended(tmp_path: Path) -> None:
    script = f"{CONTROL}; control.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n'); {WAIT}"

    async with spawned(tmp_path, script) as worker:
        outcome = await worker.start({"start": {}}, 10)
        how = await worker.ended()

    assert isinstance(outcome, Failed)
    assert outcome.kind == "protocol"
    assert how == "was killed by SIGKILL"


async def test_what_a_worker_said_last_is_told_with_how_it_ended(tmp_path: Path) -> None:
    script = f"""{CONTROL}
def say(body):
    control.sendall(len(body).to_bytes(4, "big") + body)
control.recv(1000)
say(b'{{"type":"ready","pid":1,"startup_us":1}}')
say(b'{{"type":"failed","kind":"listener","message":"cannot accept"}}')
raise SystemExit(3)"""

    async with spawned(tmp_path, script) as worker:
        await worker.start({"start": {}}, 10)
        how = await worker.ended()

    assert how == "ended with exit code 3: cannot accept"


async def test_a_worker_that_does_not_drain_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DRAIN_GRACE", 0.1)

    async with spawned(tmp_path, WAIT) as worker:
        await worker.drain(0.1)

        assert await worker.ended() == "was killed by SIGKILL"


async def test_a_worker_that_is_busy_is_left_out_of_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "METRICS_TIMEOUT", 0.1)

    async with spawned(tmp_path, WAIT) as worker:
        assert await worker.metrics() is None


async def test_ctrl_c_in_the_terminal_does_not_reach_a_worker(tmp_path: Path) -> None:
    async with spawned(tmp_path, WAIT) as worker:
        group = os.getpgid(worker.pid)

    assert group == worker.pid
    assert group != os.getpgid(0)


async def test_a_worker_gets_the_control_channel_and_its_socket_and_no_other_file(tmp_path: Path) -> None:
    script = """import os, sys
files = sorted(int(name) for name in os.listdir("/dev/fd"))
expected = {0, 1, 2, int(sys.argv[2]), int(sys.argv[4])}
extra = [file for file in files if file not in expected and os.path.exists(f"/dev/fd/{file}")]
os.kill(os.getpid(), 15 if extra == [] else 10)"""

    async with spawned(tmp_path, script) as worker:
        how = await worker.ended()

    assert how == f"was killed by {signal.SIGTERM.name}"


async def test_a_file_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").touch()

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(HostError, match="cannot run"):
        await Worker.spawn(tmp_path / "text", 0, Opened(listener))
