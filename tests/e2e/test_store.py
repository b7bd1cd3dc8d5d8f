"""`wisp store`, on stores that a host has made, and that it may be using."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

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
