"""Stores of a lattice: one store for all hosts, and what becomes of writes when NATS is killed in the middle."""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.e2e import sharing
from tests.e2e.lattice import Lattice
from tests.histories import Call, faults_of_counter, faults_of_list, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

HOSTS = ("a", "b", "c")
LISTS = ("list-1", "list-2")
COUNTERS = ("count-1", "count-2")
CALLS = 150
"""Of each client; there are two for each host."""

AWAY = b"the NATS of the lattice cannot be reached; nothing was done"


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def deploy(lattice: Lattice, folder: Path, name: str = "shop", timeout: str = "30s") -> None:
    folder = folder / name
    folder.mkdir()
    tables = {
        "grants": {"keyvalue": ["default"], "blobstore": ["images"]},
        "limits": {"timeout": timeout, "store": "16MiB"},
    }
    sharing.write(folder, name, one=tables, two=tables)
    lattice.wisp("deploy", folder, "--replicas", "per-host")


def use(lattice: Lattice, host: str, verb: str, query: str, body: bytes = b"") -> tuple[int, bytes]:
    return lattice.post(host, f"/one/keyvalue/{verb}?{query}", body)


def test_what_one_host_writes_every_other_reads_at_once_and_finds_after_nats_was_killed(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in HOSTS:
        lattice.start(name)
    deploy(lattice, tmp_path)

    for number, writer in enumerate(HOSTS * 3):
        assert use(lattice, writer, "set", "key=a", str(number).encode()) == (200, b"done")
        assert {use(lattice, reader, "get", "key=a") for reader in HOSTS} == {(200, str(number).encode())}
    lattice.nats.kill()
    lattice.nats.start()

    assert {use(lattice, reader, "get", "key=a") for reader in HOSTS} == {(200, b"8")}
    assert use(lattice, "a", "delete", "key=a") == (200, b"done")
    assert {use(lattice, reader, "get", "key=a") for reader in HOSTS} == {(500, b"nothing")}


def test_a_blob_that_one_host_writes_is_read_whole_on_another_and_is_there_after_nats_was_killed(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    deploy(lattice, tmp_path)
    content = random.randbytes(3 << 20)  # noqa: S311 - no secret

    assert lattice.post("a", "/one/blobstore/create?object=x")[0] == 200
    assert lattice.post("a", "/one/blobstore/put?object=x", content) == (200, b"done")
    assert lattice.get("b", "/one/blobstore/get?object=x") == (200, content)
    part = lattice.get("b", "/one/blobstore/get?object=x&first=131070&last=131075")
    assert part == (200, content[131070:131076])
    lattice.nats.kill()
    lattice.nats.start()

    assert lattice.get("a", "/one/blobstore/get?object=x") == (200, content)
    assert lattice.post("b", "/one/blobstore/move?object=x&to-object=y") == (200, b"done")
    assert lattice.get("a", "/one/blobstore/has?object=x") == (200, b"false")
    assert lattice.get("a", "/one/blobstore/get?object=y") == (200, content)


def test_an_app_does_not_see_the_stores_of_another(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path)
    use(lattice, "a", "set", "key=a", b"of shop")
    lattice.wisp("delete", "shop")

    deploy(lattice, tmp_path, "shop-2")

    assert use(lattice, "a", "get", "key=a") == (500, b"nothing")


def test_while_nats_is_away_a_guest_is_told_so_within_its_deadline_and_goes_on_when_it_is_back(
    lattice: Lattice, tmp_path: Path
) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path, timeout="2s")
    assert use(lattice, "a", "set", "key=a", b"kept") == (200, b"done")

    lattice.nats.kill()
    host.line(message="NATS is away: stores and messages of the lattice cannot be used until it is back")
    began = time.monotonic()
    answers = {use(lattice, "a", verb, "key=a", b"lost") for verb in ("get", "set", "increment", "compare")}
    took = (time.monotonic() - began) / 4

    assert answers == {(500, b"other: " + AWAY)}
    assert took < 2
    lattice.nats.start()
    assert use(lattice, "a", "get", "key=a") == (200, b"kept")


def test_a_host_whose_apps_keep_nothing_opens_no_connection_for_them(
    lattice: Lattice, tmp_path: Path
) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path)

    assert lattice.get("a", "/stranger/random/bytes")[0] == 200
    connected = "connected to NATS"
    assert not [line for line in host.lines if line.get("message") == connected]
    use(lattice, "a", "get", "key=a")
    use(lattice, "a", "get", "key=b")
    host.line(message=connected)
    assert len([line for line in host.lines if line.get("message") == connected]) == 1


@dataclass
class Client:
    """Somebody who does this and that, and remembers what was told."""

    lattice: Lattice
    host: str
    number: int
    random: random.Random
    calls: list[Call] = field(default_factory=list)

    def run(self) -> None:
        for count in range(CALLS):
            if self.random.random() < 0.5:
                self.increment(self.random.choice(COUNTERS))
            else:
                self.append(self.random.choice(LISTS), f"{self.number}.{count}")

    def increment(self, key: str) -> None:
        began = time.monotonic()
        status, body = use(self.lattice, self.host, "increment", f"key={key}")
        total = int(body) if status == 200 else None
        self.calls.append(Call(key, began, time.monotonic(), outcome(status, body), total=total))

    def append(self, key: str, word: str) -> None:
        """Read the list, and write it with a word more if it is still what was read."""
        began = time.monotonic()
        status, body = use(self.lattice, self.host, "entry", f"key={key}")
        if status != 200:
            return
        entry = json.loads(body)
        words = tuple(entry["value"].split()) if entry else ()
        self.calls.append(Call(key, began, time.monotonic(), "done", seen=words))
        version = f"&version={entry['version']}" if entry else ""
        value = " ".join([*words, word]).encode()
        began = time.monotonic()
        status, body = use(self.lattice, self.host, "compare", f"key={key}{version}", value)
        self.calls.append(Call(key, began, time.monotonic(), outcome(status, body), word=word))


def test_no_update_is_lost_or_done_twice_when_nats_is_killed_while_three_hosts_write_the_same_keys(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in HOSTS:
        lattice.start(name)
    deploy(lattice, tmp_path)
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    clients = [
        Client(lattice, name, number, random.Random(seed + number))  # noqa: S311 - no secret
        for number, name in enumerate(HOSTS * 2)
    ]
    threads = [threading.Thread(target=client.run) for client in clients]

    for thread in threads:
        thread.start()
    for part in (1, 2):
        while sum(len(client.calls) for client in clients) < part * CALLS * len(clients) // 3:
            threads[0].join(0.01)
        lattice.nats.kill()
        lattice.nats.start()
    for thread in threads:
        thread.join()

    calls = [call for client in clients for call in client.calls]
    faults: list[str] = []
    for key in LISTS:
        final = use(lattice, "a", "get", f"key={key}")[1].decode().split()
        assert len(final) > 10
        faults += faults_of_list([call for call in calls if call.key == key], final)
    for key in COUNTERS:
        total = int(use(lattice, "b", "get", f"key={key}")[1])
        assert total > 10
        faults += faults_of_counter([call for call in calls if call.key == key], total)
    assert not faults, f"seed {seed}"
