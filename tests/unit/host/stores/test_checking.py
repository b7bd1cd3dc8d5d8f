"""What is found wrong with stores."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from tests.unit.host.stores.test_blobs import make as container
from tests.unit.host.stores.test_tables import keyvalue, make
from wisp.host.stores import found
from wisp.host.stores.checking import Finding, check

if TYPE_CHECKING:
    from pathlib import Path


def test_stores_that_are_well_give_no_finding(tmp_path: Path) -> None:
    keyvalue(tmp_path, "default", [("a", b"1")])
    make(tmp_path, "sqlite/orders", "CREATE TABLE x (y); PRAGMA user_version = 7; PRAGMA application_id = 7")
    container(tmp_path, "images", {"a": b"1"})

    assert list(check(tmp_path, {"keyvalue/default": 1 << 20, "blobstore/images": 4096})) == []
    assert [store.title for store in found.stores(tmp_path)] == [
        "blobstore/images",
        "keyvalue/default",
        "sqlite/orders",
    ]


def test_an_app_without_stores_is_well(tmp_path: Path) -> None:
    assert list(check(tmp_path / "none", {})) == []
    assert found.stores(tmp_path / "none") == []


def test_a_store_of_a_newer_format_or_of_another_kind_is_found(tmp_path: Path) -> None:
    make(
        tmp_path,
        "keyvalue/newer",
        "CREATE TABLE x (y); PRAGMA application_id = 0x77696b76; PRAGMA user_version = 9",
    )
    make(tmp_path, "keyvalue/other", "CREATE TABLE x (y); PRAGMA application_id = 5; PRAGMA user_version = 1")

    assert list(check(tmp_path, {})) == [
        Finding("keyvalue/newer", "it has format 9, and this wisp knows formats up to 1", "use a newer wisp"),
        Finding("keyvalue/other", "its application id is 0x5 instead of 0x77696b76"),
    ]


def test_a_store_that_has_more_than_it_may_is_found(tmp_path: Path) -> None:
    keyvalue(tmp_path, "default", [("a", bytes(100_000))])
    container(tmp_path, "images", {"a": b"1", "b": b""})

    findings = list(check(tmp_path, {"keyvalue/default": 4096, "blobstore/images": 4096}))

    assert [finding.store for finding in findings] == ["blobstore/images", "keyvalue/default"]
    assert findings[0].problem == "it has 8192 bytes, and may have 4096"
    assert findings[1].problem.endswith(" bytes, and may have 4096")


def test_what_was_left_behind_is_found_unless_somebody_is_writing_it(tmp_path: Path) -> None:
    keyvalue(tmp_path, "default", [])
    container(tmp_path, "images", {})
    incoming = tmp_path / "blobstore" / ".incoming"
    incoming.mkdir()
    for path in (
        tmp_path / "keyvalue" / ".default.db.import-1",
        tmp_path / "keyvalue" / "default.db.format-1.bak.unfinished",
        incoming / "1-2-3",
        incoming / "written",
    ):
        path.write_bytes(b"x")
    (tmp_path / "blobstore" / ".import-images-1").mkdir()

    with (incoming / "written").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        findings = list(check(tmp_path, {}))

    assert [finding.problem.rpartition("/")[2] for finding in findings] == [
        ".default.db.import-1",
        "default.db.format-1.bak.unfinished",
        ".import-images-1",
        "1-2-3",
    ]
