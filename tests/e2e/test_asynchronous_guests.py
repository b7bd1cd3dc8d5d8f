"""What a guest of WASI 0.3 keeps: files, through its streams, and keys in a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.neighbour import Neighbour
from tests.e2e.wire import ask, get

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

ASSETS = {"source": "assets", "mount": "/assets"}
DATA = {"source": "data", "mount": "/data", "write": True}
DENIED = {"error": "NotPermitted"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two granted folders, and a secret beside them."""
    (tmp_path / "secret").write_text("outside of every folder")
    for name in ("assets", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("content")
        (tmp_path / name / "out").symlink_to("../secret")
    return tmp_path


def steps(host: Host, *words: Sequence[object]) -> list[Any]:
    """Let the guest do this, and return what came of each step."""
    answer = ask(host.address, "POST", "/steps", body=json.dumps(words).encode())
    assert answer.status == 200, answer.text
    results: list[Any] = answer.json
    return results


def test_a_guest_reads_and_writes_the_folders_that_it_was_granted(serve: Serve, folder: Path) -> None:
    host = serve("--workers", "1", guest="http3", grants={"files": [ASSETS, DATA]})

    results = steps(
        host,
        ["folders"],
        ["read", "/assets", "a.txt"],
        ["write", "/data", "new.txt", "first"],
        ["append", "/data", "new.txt", ", second"],
        ["read", "/data", "new.txt"],
        ["mkdir", "/data", "made"],
        ["rename", "/data", "new.txt", "/data", "made/moved"],
        ["unlink", "/data", "a.txt"],
        ["list", "/data", "."],
        ["stat", "/data", "made/moved"],
        ["read", "/data", "a.txt"],
    )

    assert results == [
        ["/assets", "/data"],
        "content",
        *(True, True),
        "first, second",
        *(True, True, True),
        ["made", "out"],
        13,
        {"error": "NoEntry"},
    ]
    assert (folder / "data" / "made" / "moved").read_text() == "first, second"


def test_nothing_leads_out_of_them_and_what_is_to_be_read_stays_as_it_is(serve: Serve, folder: Path) -> None:
    host = serve("--workers", "1", guest="http3", grants={"files": [ASSETS, DATA]})
    paths = ("../secret", "out", "/etc/passwd", "a.txt/../../secret", "..")

    outside = steps(host, *(["read", mount, path] for mount in ("/assets", "/data") for path in paths))
    written = steps(host, *(["write", "/data", path, "x"] for path in paths))
    read_only = steps(
        host,
        ["write", "/assets", "new", "x"],
        ["append", "/assets", "a.txt", "x"],
        ["size", "/assets", "a.txt", 0],
        ["mkdir", "/assets", "new"],
        ["unlink", "/assets", "a.txt"],
        ["rename", "/assets", "a.txt", "/assets", "b.txt"],
    )

    assert all("error" in result for result in outside + written), (outside, written)
    assert read_only == [DENIED] * 6
    assert (folder / "secret").read_text() == "outside of every folder"
    assert (folder / "assets" / "a.txt").read_text() == "content"
    assert host.line(kind="denial", target="/assets/new")["import"] == "wasi:filesystem/types"


def test_a_guest_without_folders_sees_none(serve: Serve) -> None:
    assert steps(serve(guest="http3"), ["folders"]) == [[]]


def test_files_grow_to_their_limits_and_no_further(serve: Serve, folder: Path) -> None:
    limits = {"file": "100KB", "store": "300KB", "files": 3}
    host = serve("--workers", "1", guest="http3", beside=True, grants={"files": [DATA]}, limits=limits)

    with Neighbour(host):
        results = steps(
            host,
            ["write", "/data", "one", 100_000],
            ["append", "/data", "one", 1],
            ["size", "/data", "one", 100_001],
            ["write", "/data", "two", 100_000],
            ["write", "/data", "three", 100_000],
            ["hold", "/data", "one", 3],
            ["hold", "/data", "one", 4],
        )

    large, full, quota = ({"error": code} for code in ("FileTooLarge", "InsufficientSpace", "Quota"))
    assert results == [True, large, large, True, full, True, quota]
    assert sum(path.lstat().st_size for path in (folder / "data").iterdir()) < 300_000
    counted = {each["component"]: each for each in host.admin("metrics")["components"]}
    names = ("file_exceeded", "store_exceeded", "files_exceeded")
    assert [counted["http3"][name] for name in names] == [2, 1, 1]
    assert [counted["neighbour"][name] for name in names] == [0, 0, 0]


def test_keys_are_kept_in_the_store_that_was_granted_and_in_no_other(serve: Serve) -> None:
    host = serve("--workers", "2", guest="http3", grants={"keyvalue": ["default"]})

    answers = [get(host.address, f"/keyvalue?{name}").json for name in ("default", "others", "default")]

    assert answers == [["one", None, 2, 1], "Error::AccessDenied", ["one", None, 2, 2]]
    assert host.line(kind="denial", target="others")["import"] == "wasi:keyvalue/store"
