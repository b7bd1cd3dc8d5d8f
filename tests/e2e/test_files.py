"""The folders that a guest sees: what it may do in them, and that nothing leads out."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.neighbour import Neighbour
from tests.e2e.wire import ask, get

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host

ASSETS = {"source": "assets", "mount": "/assets"}
DATA = {"source": "data", "mount": "/data", "write": True}
OUTSIDE = "outside of every folder"
DENIED = {"error": "not-permitted"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two granted folders, and a secret beside them."""
    (tmp_path / "secret").write_text(OUTSIDE)
    for name in ("assets", "data"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "a.txt").write_text("content")
        (tmp_path / name / "inner" / "b.txt").write_text("below")
        (tmp_path / name / "out").symlink_to("../secret")
        (tmp_path / name / "up").symlink_to("..")
        (tmp_path / name / "root").symlink_to("/")
        (tmp_path / name / "inside").symlink_to("inner/b.txt")
        os.link(tmp_path / "secret", tmp_path / name / "twin")
        os.mkfifo(tmp_path / name / "pipe")
    return tmp_path


@pytest.fixture
def host(serve: Serve, folder: Path) -> Host:
    """A guest that sees one folder to read, and one to write to."""
    assert folder.exists()
    return serve("--workers", "1", grants={"files": [ASSETS, DATA]})


def steps(host: Host, *words: Sequence[object]) -> list[Any]:
    """Let the guest do this, and return what came of each step."""
    answer = ask(host.address, "POST", "/steps", body=json.dumps(words).encode())
    assert answer.status == 200, answer.text
    results: list[Any] = answer.json
    return results


def counted(host: Host, name: str) -> int:
    """Return what was counted for the guest, and check that its neighbour has nothing of it."""
    components = {each["component"]: each for each in host.admin("metrics")["components"]}
    assert components["neighbour"][name] == 0
    count: int = components["http2"][name]
    return count


def test_a_guest_without_folders_sees_none(serve: Serve) -> None:
    host = serve()

    assert steps(host, ["folders"]) == [[]]
    assert get(host.address, "/files").text.startswith("refused")


def test_a_guest_reads_what_it_was_granted(host: Host) -> None:
    results = steps(
        host,
        ["folders"],
        ["open", "/assets", "a.txt", "r"],
        ["read", 0],
        ["open", "/assets", "inside", "rf"],
        ["read", 1],
        ["open", "/assets", "inner", "d"],
        ["list", 2],
        ["open", 2, "../a.txt", "r"],
        ["open", "/assets", "inner/../a.txt", "r"],
        ["read", 3],
    )

    assert results == [["/assets", "/data"], 0, "content", 1, "below", 2, ["b.txt"], DENIED, 3, "content"]


def test_a_guest_writes_where_it_may(host: Host, folder: Path) -> None:
    results = steps(
        host,
        ["open", "/data", "new.txt", "rwc"],
        ["write", 0, 5, 0],
        ["stream", 0, 3, 5],
        ["stream", 0, 2],
        ["size", 0, 9],
        ["mkdir", "/data", "made"],
        ["rename", "/data", "new.txt", "/data", "made/moved"],
        ["stat", "/data", "made/moved"],
        ["unlink", "/data", "a.txt"],
    )

    assert results == [0, 5, 3, 2, True, True, True, 9, True]
    assert (folder / "data" / "made" / "moved").read_text() == "wwwwwssss"
    assert not (folder / "data" / "a.txt").exists()


ESCAPES = [
    "../secret",
    "inner/../../secret",
    "./.././secret",
    "inner/../../secret/",
    "out",
    "up/secret",
    "root/etc/passwd",
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "root/proc/self/cwd",
    "..",
    "../",
    "up",
    "up/",
    "root/",
]


@pytest.mark.parametrize("mount", ["/assets", "/data"])
def test_no_path_leads_out(host: Host, folder: Path, mount: str) -> None:
    tried = [
        ["open", mount, path, flags]
        for path in ESCAPES
        for flags in ("rf", "rdf", "wf", "wcf", "wcxf", "wtf")
    ]
    tried += [["stat", mount, path, "f"] for path in ESCAPES]
    tried += [[verb, mount, path] for verb in ("mkdir", "rmdir", "unlink", "readlink") for path in ESCAPES]
    tried += [["rename", mount, path, mount, "inner/taken"] for path in ESCAPES]
    tried += [["rename", mount, "a.txt", mount, path] for path in ESCAPES]
    tried += [["link", mount, path, mount, "inner/taken"] for path in ESCAPES]
    tried += [["times-at", mount, path, "f"] for path in ESCAPES]
    # Links themselves may be looked at, and in the writable folder moved, replaced and removed; that is not what leads out.
    links = {"out", "up", "up/", "root/"}
    through = {"open", "stat", "times-at", "mkdir"}
    tried = [step for step in tried if not links & set(map(str, step[2:])) or step[0] in through]

    results = [steps(host, step)[0] for step in tried]

    allowed = [(step, result) for step, result in zip(tried, results, strict=True) if not _refused(result)]
    assert allowed == []
    assert (folder / "secret").read_text() == OUTSIDE
    assert {path.name for path in folder.iterdir()} <= {
        "assets",
        "data",
        "secret",
        "wisp.lock",
        "wisp.toml",
        ".wisp",
    }


def _refused(result: object) -> bool:
    return isinstance(result, dict) and "error" in result


def test_a_guest_cannot_make_a_way_out(host: Host, folder: Path) -> None:
    results = steps(
        host,
        ["symlink", "/data", "../secret", "inner/way"],
        ["open", "/data", "inner/way", "rf"],
        ["symlink", "/data", "../../secret", "inner/other"],
        ["open", "/data", "inner/other", "rf"],
        ["symlink", "/data", "/etc/passwd", "absolute"],
        ["open", "/data", "absolute", "rf"],
        ["symlink", "/data", "inner", "soon"],
        ["unlink", "/data", "soon"],
        ["symlink", "/data", "..", "soon"],
        ["open", "/data", "soon/secret", "rf"],
    )

    assert [results[index] for index in (3, 9)] == [DENIED] * 2
    assert all(_refused(results[index]) for index in (1, 4, 5))
    assert (folder / "secret").read_text() == OUTSIDE


def test_a_folder_to_read_cannot_be_changed(host: Host, folder: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in folder.joinpath("assets").rglob("*")}

    results = steps(
        host,
        ["open", "/assets", "a.txt", "w"],
        ["open", "/assets", "a.txt", "rt"],
        ["open", "/assets", "new", "rc"],
        ["open", "/assets", "new", "wcx"],
        ["mkdir", "/assets", "new"],
        ["rmdir", "/assets", "inner"],
        ["unlink", "/assets", "a.txt"],
        ["rename", "/assets", "a.txt", "/assets", "b"],
        ["link", "/assets", "a.txt", "/assets", "b"],
        ["symlink", "/assets", "a.txt", "b"],
        ["times-at", "/assets", "a.txt", "f"],
        # 0: what was opened to read cannot be written to.
        ["open", "/assets", "a.txt", "r"],
        ["write", 0, 5, 0],
        ["stream", 0, 5, 0],
        ["stream", 0, 5],
        ["size", 0, 0],
        ["times", 0],
        # Neither from nor to the other folder, which may be written to.
        ["rename", "/assets", "a.txt", "/data", "b"],
        ["rename", "/data", "a.txt", "/assets", "b"],
        ["link", "/assets", "a.txt", "/data", "b"],
    )

    refused = [index for index, result in enumerate(results) if result == DENIED]
    assert refused == [*range(11), *range(12, 17), 19], results
    assert results[17] == results[18] == {"error": "cross-device"}
    assert before == {path: path.lstat().st_mtime_ns for path in folder.joinpath("assets").rglob("*")}


def test_a_file_with_another_name_outside_is_read_and_never_changed(host: Host, folder: Path) -> None:
    results = steps(
        host,
        ["open", "/data", "twin", "r"],
        ["read", 0],
        ["open", "/data", "twin", "w"],
        ["open", "/data", "twin", "rt"],
        ["open", "/data", "twin", "wct"],
        ["times", 0],
        ["times-at", "/data", "twin", "f"],
        ["link", "/data", "a.txt", "/data", "b.txt"],
    )

    line = host.line(kind="worker", level="warning")
    assert results == [0, OUTSIDE, *[DENIED] * 6]
    assert (folder / "secret").read_text() == OUTSIDE
    assert "/data/twin may not be changed: it has another name" in line["message"]


def test_what_is_neither_a_file_nor_a_folder_is_not_opened(host: Host, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "data" / "socket"))
        results = steps(
            host,
            *([["open", mount, "pipe", flags] for mount in ("/assets", "/data") for flags in ("r", "rf")]),
            ["open", "/data", "pipe", "w"],
            ["open", "/data", "socket", "r"],
        )

    assert results == [DENIED] * 6


def test_a_denial_says_which_line_would_grant_it(host: Host) -> None:
    steps(host, ["open", "/assets", "a.txt", "w"])
    write = host.line(kind="denial")
    steps(host, ["open", "/data", "../secret", "r"])
    out = host.line(kind="denial", target="/data/../secret")

    assert write["import"] == "wasi:filesystem/types"
    assert write["target"] == "/assets/a.txt"
    assert write["grant"] == 'files = [{ source = "assets", mount = "/assets", write = true }]'
    assert out["grant"] == 'files = [{ source = "...", mount = "..." }]'
    assert host.admin("metrics")["denials"] == 2


def test_a_folder_that_cannot_be_opened_is_named_before_anything_is_served(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    host = serve(grants={"files": [{"source": "file", "mount": "/x"}]})

    assert host.ended() != 0
    assert "file" in host.stderr


def test_an_instance_has_so_many_files_open_and_no_more(serve: Serve, folder: Path) -> None:
    assert folder.exists()
    host = serve("--workers", "1", beside=True, grants={"files": [ASSETS, DATA]}, limits={"files": 3})
    opening = ["open", "/assets", "a.txt", "r"]
    # A stream keeps its file open.
    kept: list[Sequence[object]] = []
    for index in range(3):
        kept += [["open", "/data", "a.txt", "w"], ["keep-streams", index, 1], ["close", index]]

    with Neighbour(host):
        opened = steps(host, *[opening] * 4)
        closed = steps(host, opening, ["close", 0], *[opening] * 3)
        streams = steps(host, ["open", "/data", "a.txt", "w"], ["keep-streams", 0, 3], ["keep-streams", 0, 1])
        held = steps(host, *kept, ["open", "/data", "a.txt", "r"])

    quota = {"error": "quota"}
    assert opened == [0, 1, 2, quota]
    assert closed == [0, True, 1, 2, 3]
    assert streams == [0, True, quota]
    assert held[-1] == quota
    assert counted(host, "files_exceeded") == 3
    assert "`limits.files`" in host.line(kind="worker", level="warning")["message"]


def test_a_file_grows_to_its_limit_and_no_further(serve: Serve, folder: Path) -> None:
    host = serve("--workers", "1", beside=True, grants={"files": [DATA]}, limits={"file": "100KB"})
    (folder / "data" / "large").write_bytes(b"x" * 200_000)

    with Neighbour(host):
        results = steps(
            host,
            ["open", "/data", "new", "rwc"],
            ["stream", 0, 100_000],
            ["stream", 0, 1],
            ["write", 0, 1, 100_000],
            ["size", 0, 100_001],
            ["write", 0, 100_000, 0],
            ["write", 0, 10, 10_000_000_000],
            # One that was larger before may be written to, and not grow.
            ["open", "/data", "large", "w"],
            ["write", 1, 200_000, 0],
            ["stream", 1, 1],
        )

    too_large = {"error": "file-too-large"}
    assert results == [0, 100_000, too_large, too_large, too_large, 100_000, too_large, 1, 200_000, too_large]
    assert (folder / "data" / "new").stat().st_size == 100_000
    assert counted(host, "file_exceeded") == 5


def test_a_folder_grows_to_its_limit_and_no_further(serve: Serve, folder: Path) -> None:
    host = serve("--workers", "1", beside=True, grants={"files": [DATA]}, limits={"store": "1MB"})
    full = {"error": "insufficient-space"}

    with Neighbour(host):
        results = steps(
            host,
            ["open", "/data", "one", "wc"],
            ["stream", 0, 900_000],
            ["open", "/data", "two", "wc"],
            ["stream", 1, 900_000],
            ["write", 1, 900_000, 0],
            ["size", 1, 900_000],
            # What is there already may be written to.
            ["write", 0, 900_000, 0],
            ["mkdir", "/data", "new"],
            ["unlink", "/data", "one"],
            ["close", 0],
            ["stream", 1, 500_000],
        )
    used = sum(path.lstat().st_size for path in (folder / "data").rglob("*"))

    assert results[1] == 900_000
    assert [results[index] for index in (3, 4, 5, 7)] == [full] * 4
    assert results[6] == 900_000
    assert results[10] == 500_000
    assert used < 1_000_000
    assert counted(host, "store_exceeded") == 4


def test_small_files_and_folders_count_too(serve: Serve, folder: Path) -> None:
    host = serve("--workers", "1", grants={"files": [DATA]}, limits={"store": "400KB"})
    before = len(list((folder / "data").rglob("*")))

    results = steps(host, *[["mkdir", "/data", f"d{number}"] for number in range(200)])

    made = results.count(True)
    assert 400_000 // 4096 - before - 1 <= made <= 400_000 // 4096
    assert results[-1] == {"error": "insufficient-space"}
