"""`wisp store`, on stores that a host has made, and that it may be using."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Serve

# The first run of all builds and compiles the guest.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def host(serve: Serve) -> Host:
    """A host whose guest has a store."""
    return serve("--workers", "1", guest="capabilities", grants={"keyvalue": ["default"]})


def wisp(folder: Path, *words: str | Path, expected: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [PROGRAM, "store", *words],
        cwd=folder,
        env=environment(folder / "cache"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == expected, done.stderr.decode()
    return done


def put(host: Host, key: str, value: bytes) -> None:
    assert ask(host.address, "POST", f"/keyvalue/set?key={key}", body=value).status == 200


def value(host: Host, key: str) -> bytes:
    return ask(host.address, "GET", f"/keyvalue/get?key={key}").body


def database(folder: Path) -> Path:
    return folder / ".wisp" / "state" / "keyvalue" / "default.db"


def test_a_store_goes_out_and_comes_back_while_its_host_serves(host: Host, tmp_path: Path) -> None:
    put(host, "a", bytes(range(256)))
    put(host, "b", b"before")

    (listed,) = json.loads(wisp(tmp_path, "list", "--json").stdout)
    wisp(tmp_path, "export", "keyvalue/default", "-o", "backup.jsonl")
    put(host, "b", b"after")
    put(host, "c", b"too much")
    refused = wisp(tmp_path, "import", "backup.jsonl", expected=1)
    assert value(host, "b") == b"after"
    done = wisp(tmp_path, "import", "backup.jsonl", "--replace")

    assert (listed["kind"], listed["name"], listed["entries"], listed["format"]) == (
        "keyvalue",
        "default",
        2,
        1,
    )
    assert listed["size"] > 0
    assert b"error: keyvalue/default is not empty\n" in refused.stderr
    assert done.stderr == b"imported 2 entries into keyvalue/default\n"
    assert value(host, "a") == bytes(range(256))
    assert value(host, "b") == b"before"
    assert value(host, "c") == b"nothing"
    put(host, "d", b"goes on")
    assert value(host, "d") == b"goes on"


def test_a_store_moves_to_another_place_through_a_pipe(host: Host, tmp_path: Path) -> None:
    put(host, "a", b"1")
    there = tmp_path / "there"

    written = wisp(tmp_path, "export", "keyvalue/default").stdout
    (tmp_path / "piped").write_bytes(written)
    with (tmp_path / "piped").open("rb") as stream:
        words: list[str | Path] = [PROGRAM, "store", "import", "-", "--state", there, "--to", "copy"]
        subprocess.run(words, cwd=tmp_path, stdin=stream, env=environment(tmp_path / "cache"), check=True)

    (listed,) = json.loads(wisp(tmp_path, "list", "--json", "--state", there).stdout)
    assert (listed["name"], listed["entries"]) == ("copy", 1)
    assert listed["path"] == str(there / "app" / "keyvalue" / "copy.db")


GRANTS = {"keyvalue": ["default"], "sqlite": ["shop"], "blobstore": ["images"], "messaging": ["orders.*"]}
KINDS = ["blobstore/images", "keyvalue/default", "messaging/messages", "sqlite/shop"]
BLOBS = {"a": bytes(range(256)) * 1000, "../ä": b"with an odd name", "empty": b""}
ROWS = json.dumps([["SELECT a FROM t ORDER BY rowid"]]).encode()


def write_everywhere(host: Host) -> None:
    """Let the guest keep something in a store of each kind."""
    insert = ["INSERT INTO t VALUES (?), (?), (?)", "text", [0, 255], None]
    rows = json.dumps([["CREATE TABLE t (a)"], insert]).encode()
    asked = [
        ("/keyvalue/set?key=a", b"kept"),
        ("/sqlite/run", rows),
        ("/blobstore/create", b""),
        *((f"/blobstore/put?hex={name.encode().hex()}", content) for name, content in BLOBS.items()),
        ("/messaging/publish?subject=orders.created&type=text/plain&header=trace:abc", b"the \xff first"),
        ("/messaging/publish?subject=orders.paid", b"the second"),
    ]
    for target, body in asked:
        answer = ask(host.address, "POST", target, body=body)
        assert answer.status == 200, (target, answer.text)


def read_everywhere(host: Host) -> dict[str, bytes]:
    """Return what the guest finds in the stores that it can read."""
    found = {name: f"/blobstore/get?hex={name.encode().hex()}" for name in BLOBS}
    found |= {"list": "/blobstore/list", "key": "/keyvalue/get?key=a"}
    read = {name: ask(host.address, "GET", target).body for name, target in found.items()}
    return {**read, "rows": ask(host.address, "POST", "/sqlite/run", body=ROWS).body}


def messages(folder: Path, *words: str | Path) -> list[list[Any]]:
    """Return the rows of messages, which begin with their numbers."""
    exported = wisp(folder, "export", "messaging/messages", *words).stdout.splitlines()
    rows = [json.loads(line)["row"] for line in exported if line.startswith(b'{"row"')]
    return [row for row in rows if isinstance(row[0], int)]


def test_stores_of_every_kind_move_to_another_place_where_the_app_serves_the_same(
    serve: Serve, tmp_path: Path, cache: Path
) -> None:
    host = serve("--workers", "1", guest="capabilities", grants=GRANTS)
    there = tmp_path / "there"
    write_everywhere(host)
    before = read_everywhere(host)

    for store in KINDS:
        wisp(tmp_path, "export", store, "-o", "moved.jsonl")
        wisp(tmp_path, "import", "moved.jsonl", "--state", there)
    assert host.stop() == 0
    with Host("--workers", "1", "--state", there, folder=tmp_path, variables=environment(cache)) as moved:
        after = read_everywhere(moved)
        late = ask(moved.address, "POST", "/messaging/publish?subject=orders.late", body=b"the third")
    here, other = (
        [(store["kind"], store["entries"]) for store in json.loads(wisp(tmp_path, *words).stdout)]
        for words in (("list", "--json"), ("list", "--json", "--state", there))
    )
    old, new = messages(tmp_path), messages(tmp_path, "--state", there)

    assert {name: before[name] for name in BLOBS} == BLOBS
    assert (before["key"], json.loads(before["rows"])[0]["rows"]) == (b"kept", [["text"], [[0, 255]], [None]])
    assert after == before
    assert here == [("blobstore", 3), ("keyvalue", 1), ("messaging", 2), ("sqlite", 3)]
    assert other == [(kind, entries + (kind == "messaging")) for kind, entries in here]
    assert late.status == 200
    # The app goes on after the messages that it had.
    assert (len(old), new[:2], [row[0] for row in new]) == (2, old, [1, 2, 3])
    assert wisp(tmp_path, "check", "--state", there).stdout == b"4 stores, nothing wrong\n"


def test_an_import_that_is_killed_while_it_reads_leaves_the_old_store(host: Host, tmp_path: Path) -> None:
    put(host, "a", b"old")
    written = wisp(tmp_path, "export", "keyvalue/default").stdout.replace(b"b2xk", b"bmV3")
    process = subprocess.Popen(
        [PROGRAM, "store", "import", "-", "--replace"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        env=environment(tmp_path / "cache"),
    )
    assert process.stdin is not None
    process.stdin.write(written[: written.rindex(b"{")])
    process.stdin.flush()
    folder = database(tmp_path).parent
    while not list(folder.glob(".default.db.import-*")):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert value(host, "a") == b"old"
    found = wisp(tmp_path, "check", expected=1).stdout.decode()
    assert "keyvalue: an import that was cut short left " in found
    (tmp_path / "whole.jsonl").write_bytes(written)
    wisp(tmp_path, "import", "whole.jsonl", "--replace")
    assert value(host, "a") == b"new"
    assert wisp(tmp_path, "check").stdout == b"1 store, nothing wrong\n"


def test_an_import_that_is_killed_while_it_takes_the_place_leaves_the_old_store_or_the_new_one(
    host: Host, tmp_path: Path
) -> None:
    put(host, "a", b"old")
    header, table, row, *rest = wisp(tmp_path, "export", "keyvalue/default").stdout.splitlines(keepends=True)
    number = json.loads(row)["row"]
    many = [{"row": [at, f"k{at}", *number[2:]]} for at in range(1, 40_001)]
    rows = [json.dumps(line).encode() + b"\n" for line in many]
    end = {"end": len(rows) + len(rest) + 2}
    text = b"".join([header, table, *rows, *rest[:-1], json.dumps(end).encode() + b"\n"])
    (tmp_path / "many.jsonl").write_bytes(text)
    log = database(tmp_path).with_name("default.db-wal")
    before = log.stat().st_size

    process = subprocess.Popen(
        [PROGRAM, "store", "import", "many.jsonl", "--replace"],
        cwd=tmp_path,
        env=environment(tmp_path / "cache"),
    )
    while process.poll() is None and log.stat().st_size <= before:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()

    (listed,) = json.loads(wisp(tmp_path, "list", "--json").stdout)
    assert listed["entries"] in {1, 40_000}
    assert value(host, "a") == (b"old" if listed["entries"] == 1 else b"nothing")
    put(host, "b", b"goes on")
    assert value(host, "b") == b"goes on"


def test_what_is_wrong_with_a_store_is_found(host: Host, tmp_path: Path) -> None:
    put(host, "a", os.urandom(200_000))
    assert host.stop() == 0
    path = database(tmp_path)

    assert wisp(tmp_path, "check").stdout == b"1 store, nothing wrong\n"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096))
    broken = json.loads(wisp(tmp_path, "check", "--json", expected=1).stdout)
    path.write_bytes(b"nothing of a database" * 1000)
    destroyed = json.loads(wisp(tmp_path, "check", "--json", expected=1).stdout)

    assert {finding["store"] for finding in broken} == {"keyvalue/default"}
    assert destroyed[0]["problem"] == "file is not a database"


def test_a_store_that_is_not_there_is_an_error(host: Host, tmp_path: Path) -> None:
    assert host.url
    done = wisp(tmp_path, "export", "keyvalue/other", expected=1)

    assert b"error: there is no store keyvalue/other\n" in done.stderr
