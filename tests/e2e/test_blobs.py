"""Blobs as guests use them: what they keep, who may use them, and what is there after the worst end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e import sharing
from tests.e2e.wire import Connection, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.host import Host

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

DONE = (200, "done")
MIB = 1 << 20
ONE = {
    "grants": {"blobstore": ["images", "other"]},
    "limits": {"store": "128MiB", "file": "96MiB", "memory": "16MiB"},
}
TWO = {"grants": {"blobstore": ["images", "small"]}, "limits": {"store": "100KiB", "file": "64KiB"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Host]:
    """Serve an app of two components that share a container, and one that has none."""
    with app(tmp_path_factory.mktemp("blobs"), cache) as host:
        for name in ("images", "other"):
            assert use(host, "create", f"container={name}") == DONE
        assert use(host, "create", "container=small", by="two") == DONE
        yield host


def app(folder: Path, cache: Path) -> Host:
    return sharing.app(folder, cache, one=ONE, two=TWO)


def use(
    host: Host, verb: str, query: str = "", body: bytes | None = None, *, by: str = "one"
) -> tuple[int, str]:
    """Call a verb of the guest; each call is a connection of its own, so that both workers answer."""
    answer = ask(host.address, "POST", f"/{by}/blobstore/{verb}?{query}", body=body)
    return answer.status, answer.text


def test_an_object_is_read_by_every_worker_and_component_as_it_was_finished_last(shared: Host) -> None:
    assert use(shared, "get", "object=a") == (500, "there is no object `a`")
    assert use(shared, "put", "object=a", b"first") == DONE
    assert {use(shared, "get", "object=a") for _ in range(10)} == {(200, "first")}
    assert use(shared, "get", "object=a", by="two") == (200, "first")
    assert use(shared, "put", "object=a", b"second") == DONE
    assert {use(shared, "get", "object=a") for _ in range(10)} == {(200, "second")}
    assert use(shared, "get", "object=a&first=1&last=3") == (200, "eco")
    assert use(shared, "has", "object=a") == (200, "true")
    assert use(shared, "delete", "object=a") == DONE
    assert use(shared, "delete", "object=a") == DONE
    assert use(shared, "has", "object=a") == (200, "false")


def test_a_container_that_is_not_granted_is_denied_whether_it_is_there_or_not(shared: Host) -> None:
    for name in ("images", "absent", "../../x"):
        denied = (500, f"access denied: the container `{name}` is not granted")
        for verb in ("create", "remove", "is-there", "get", "copy", "move"):
            assert use(shared, verb, f"container={name}&object=a", by="stranger") == denied
    assert use(shared, "copy", "object=a&to-container=small&to-object=a")[0] == 500
    line = shared.line(kind="denial", component="stranger", target="images")
    assert (line["import"], line["grant"]) == ("wasi:blobstore/blobstore", 'blobstore = ["images"]')
    assert shared.line(kind="denial", component="one", target="small")


def test_containers_are_made_once_and_removed_with_all_that_is_in_them(shared: Host) -> None:
    assert use(shared, "is-there", "container=other") == (200, "true")
    assert use(shared, "create", "container=other") == (500, "there is a container `other` already")
    use(shared, "put", "container=other&object=a", b"x")
    assert use(shared, "remove", "container=other") == DONE
    assert use(shared, "is-there", "container=other") == (200, "false")
    assert use(shared, "get", "container=other&object=a") == (500, "there is no container `other`")
    assert use(shared, "create", "container=other") == DONE
    assert ask(shared.address, "GET", "/one/blobstore/list?container=other").json["names"] == []


def test_objects_are_listed_described_copied_and_moved(shared: Host) -> None:
    use(shared, "clear")
    for name in "abcde":
        use(shared, "put", f"object={name}", name.encode() * 10)

    assert use(shared, "copy", "object=a&to-object=a2") == DONE
    assert use(shared, "move", "object=b&to-container=other&to-object=b") == DONE
    listed = ask(shared.address, "GET", "/one/blobstore/list?at-once=2").json
    info = ask(shared.address, "GET", "/one/blobstore/info?object=a2").json

    assert listed["names"] == ["a", "a2", "c", "d", "e"]
    assert listed["calls"] >= 3
    assert (info["container"], info["name"], info["within"], info["size"]) == ("images", "a2", "images", 10)
    assert info["written"] >= info["created"] > 1_700_000_000
    assert use(shared, "get", "container=other&object=b") == (200, "b" * 10)
    assert use(shared, "move", "object=b&to-object=c") == (500, "there is no object `b`")


def test_any_name_is_one_object_below_its_container_or_refused(shared: Host) -> None:
    use(shared, "clear", "container=other")
    names = ["../../../x", "/etc/passwd", "a\0b", ".incoming", "ä/ö", "%2E", "x" * 250]

    for name in names:
        assert use(shared, "put", f"container=other&hex={name.encode().hex()}", name.encode()) == DONE

    listed = ask(shared.address, "GET", "/one/blobstore/list?container=other").json["names"]
    assert listed == sorted(names)
    for name in names:
        assert use(shared, "get", f"container=other&hex={name.encode().hex()}") == (200, name)
    too_long = (500, "the name is too long: as a file's name it may have 250 bytes")
    assert use(shared, "put", f"object={'x' * 300}", b"x") == too_long
    assert use(shared, "put", "object=", b"x") == (500, "a name must not be empty")


def test_what_is_not_finished_is_never_seen(shared: Host) -> None:
    use(shared, "put", "object=kept", b"as it was")

    assert use(shared, "unfinished", "object=kept") == DONE

    assert use(shared, "get", "object=kept") == (200, "as it was")
    assert use(shared, "late", "object=late") == DONE
    assert use(shared, "get", "object=late") == (200, "written before anybody knew where to")
    nowhere = (500, "the value belongs to no container: write-data comes before finish")
    assert use(shared, "nowhere", "object=x") == nowhere


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no file of ours
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_an_object_that_is_larger_than_all_memory_granted_is_streamed_both_ways(shared: Host) -> None:
    before = max(map(peak, shared.pids()))

    assert use(shared, "fill", f"object=large&bytes={64 * MIB}") == DONE
    counted = ask(shared.address, "GET", "/one/blobstore/count?object=large").json

    assert counted == {"size": 64 * MIB, "read": 64 * MIB}
    assert max(map(peak, shared.pids())) - before < 32 * MIB
    at_once = (500, f"the value has {64 * MIB} bytes, too many to read at once: read it as a stream")
    assert use(shared, "get", "object=large") == at_once
    use(shared, "delete", "object=large")


def test_a_component_that_has_no_room_left_is_told_while_its_neighbour_writes(shared: Host) -> None:
    use(shared, "clear")
    too_large = (500, "an object may have 65536 bytes (limits.file)")
    assert use(shared, "fill", "container=small&object=a&bytes=65537", by="two") == too_large
    assert use(shared, "fill", "container=small&object=a&bytes=65536", by="two") == DONE
    full = (500, "the store is full: it may have 102400 bytes (limits.store)")
    assert use(shared, "fill", "container=small&object=b&bytes=65536", by="two") == full
    assert shared.counted("two", "file_exceeded") == 1
    assert shared.counted("two", "store_exceeded") == 1
    assert use(shared, "fill", f"object=neighbour&bytes={MIB}") == DONE
    assert use(shared, "clear", "container=small", by="two") == DONE
    assert use(shared, "fill", "container=small&object=b&bytes=65536", by="two") == DONE
    many = "256 blobs are open, as many as may be"
    use(shared, "put", "object=a", b"x")
    assert use(shared, "open-many", "object=a&count=300") == (500, many)
    assert use(shared, "open-many", "object=a&count=200") == (200, "200")


def test_a_worker_that_is_killed_in_the_middle_of_a_write_leaves_the_old_object_whole(
    tmp_path: Path, cache: Path
) -> None:
    with app(tmp_path, cache) as host:
        use(host, "create")
        use(host, "put", "object=a", b"the old one, whole")
        with Connection(host.address) as connection:
            connection.begin("POST", "/one/blobstore/hang?object=a", "content-length: 0")
            assert connection.head().status == 200
            assert connection.chunk() == b"half"
            for pid in host.pids():
                os.kill(pid, signal.SIGKILL)
        host.event("worker-restarted")

        assert use(host, "get", "object=a") == (200, "the old one, whole")
        assert use(host, "put", "object=a", b"the new one") == DONE
        assert use(host, "get", "object=a") == (200, "the new one")
