"""The guard sees every system call of a request, and fails when there is one more than is written down."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import guard
import pytest
from counting.served import Client
from counting.trace import Trace, TraceError

from tests.guests.build import use_rust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="ptrace is Linux's"),
    # The guests are built when nobody has done that before.
    pytest.mark.timeout(900),
]

# A server that is known to the last call: it waits, reads, yields as often as it is told, and answers.
SERVER = """
import os, select, socket, sys
listener, extra = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
connection, _ = listener.accept()
connection.setblocking(False)
epoll = select.epoll()
epoll.register(connection, select.EPOLLIN)
while True:
    epoll.poll()
    if not connection.recv(65536):
        break
    for _ in range(extra):
        os.sched_yield()
    connection.send(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nhi")
"""


@contextmanager
def _server(extra: int) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = (sys.executable, "-c", SERVER, str(descriptor), str(extra))
        with subprocess.Popen(command, pass_fds=(descriptor,)) as process:
            try:
                with Client(listener.getsockname()) as client:
                    yield process, client
            finally:
                process.kill()


def _counted(extra: int, requests: int) -> dict[str, int]:
    with _server(extra) as (process, client), Trace(process.pid) as trace:
        for number in range(1 + requests):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            trace.rest(client.answered)
            client.check(200, b"hi")
            if number == 0:
                trace.counts.clear()
        return dict(trace.counts)


@pytest.mark.parametrize("extra", [0, 1, 3])
def test_each_system_call_of_a_request_is_counted_once(extra: int) -> None:
    counted = _counted(extra, requests=50)

    yields = {"sched_yield": 50 * extra} if extra else {}
    assert counted == {"epoll_wait": 50, "recvfrom": 50, "sendto": 50, **yields}


def test_a_process_that_ends_while_it_is_traced_is_told() -> None:
    with _server(0) as (process, client), Trace(process.pid) as trace:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        trace.rest(client.answered)
        process.kill()

        with pytest.raises(TraceError, match="ended"):
            trace.rest(client.answered)


def _run(numbers: Path, *more: str) -> int:
    return guard.main(["--numbers", str(numbers), "--only", "not-found", "--no-allocations", *more])


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """What the worker of this tree really takes."""
    path = tmp_path / "guard.toml"
    use_rust()
    path.write_text("")
    assert _run(path, "--reason", "counted just now") == 0
    return path


def test_the_guard_passes_as_often_as_it_is_asked(numbers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [_run(numbers) for _ in range(3)] == [0, 0, 0]
    assert "every count is as written down" in capsys.readouterr().out


def test_the_guard_fails_when_a_request_takes_one_call_more_than_is_written_down(
    numbers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = numbers.read_text()
    count = int(re.search(r"writev = (\d+)", text)[1])  # type: ignore[index]
    numbers.write_text(text.replace(f"writev = {count}", f"writev = {count - 128}"))

    code = _run(numbers)

    said = capsys.readouterr().err
    assert code == 1
    assert "not-found: system calls, writev: 1 for a request instead of 0, 1 more" in said
    assert 'make guard REASON="why"' in said


def test_a_new_number_is_written_down_with_its_reason_and_passes(numbers: Path) -> None:
    numbers.write_text(numbers.read_text().replace("recvfrom = 128", "recvfrom = 129"))

    assert _run(numbers, "--reason", "one read less") == 0

    assert 'reason = "one read less"' in numbers.read_text()
    assert _run(numbers) == 0


def test_a_sequence_that_does_not_exist_is_told(numbers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["--numbers", str(numbers), "--only", "nonsense"]) == 2
    assert "there is no sequence nonsense; there are p2-fresh," in capsys.readouterr().err
