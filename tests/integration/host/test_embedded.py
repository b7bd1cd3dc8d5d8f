"""`wisp.Host`: a component served from the program's own process."""

import multiprocessing
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import wisp
from tests.guests.build import component


@pytest.fixture(scope="module")
def guest() -> Path:
    return component("http2")


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own loopback address
        body: bytes = answer.read()
        return body


def test_a_component_answers_from_the_programs_own_process(guest: Path) -> None:
    with wisp.Host(guest) as host:
        body = fetch(host.url + "hello")
        metrics = host.metrics()

    assert body == b"Hello, world!"
    outbound = {"connections": 0, "failures": 0, "requests": 0}
    nothing = {"active": 0, "queued": 0, "warm": 0, "denials": 0, "outbound": outbound}
    assert metrics["pools"] == [{"app": "app", "component": "app", **nothing}]


async def test_a_host_can_be_opened_inside_an_event_loop(guest: Path) -> None:
    with wisp.Host(guest) as host:
        assert host.address.startswith("127.0.0.1:")


def test_a_closed_host_says_so_and_closes_twice(guest: Path) -> None:
    host = wisp.Host(guest)
    host.close()
    host.close()

    with pytest.raises(ValueError, match="closed"):
        _ = host.url


def test_a_host_that_is_not_closed_warns(guest: Path) -> None:
    script = f"import wisp; wisp.Host({str(guest)!r})"

    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=True
    )

    assert "ResourceWarning" in done.stderr
    assert "was not closed" in done.stderr


def test_a_file_that_is_no_component_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wasm").write_text("not wasm")

    with pytest.raises(wisp.ComponentError):
        wisp.Host(tmp_path / "text.wasm")


def _metrics_in_a_child(host: wisp.Host, outcome: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        host.metrics()
    except RuntimeError as error:
        outcome.put(str(error))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_is_told_to_start_a_host_of_its_own(guest: Path) -> None:
    fork = multiprocessing.get_context("fork")
    outcome = fork.SimpleQueue()
    with wisp.Host(guest) as host:
        child = fork.Process(target=_metrics_in_a_child, args=(host, outcome))
        child.start()
        child.join(20)

    assert "before a fork" in outcome.get()
