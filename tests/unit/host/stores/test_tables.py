"""Stores in SQLite, written out and read in."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wisp.errors import StoreError
from wisp.host.stores import found, lines, tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.host.stores.found import Store

KEYVALUE = """
CREATE TABLE entry (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER) STRICT;
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
PRAGMA application_id = 0x77696b76;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def make(state: Path, title: str, script: str) -> Store:
    store = found.named(state, title)
    store.path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.executescript(script)
    return store


def keyvalue(state: Path, name: str, entries: Sequence[tuple[str, bytes]]) -> Store:
    store = make(state, f"keyvalue/{name}", KEYVALUE)
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.executemany("INSERT INTO entry VALUES (?, ?, random(), NULL)", entries)
    return store


def exported(store: Store) -> bytes:
    stream = io.BytesIO()
    lines.write(*tables.dump(store), stream)
    return stream.getvalue()


def imported(store: Store, text: bytes, *, replace: bool = False) -> int:
    return tables.load(store, *lines.read(io.BytesIO(text)), replace=replace)


def query(store: Store, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(sql).fetchall()


def test_a_key_value_store_comes_back_whole(tmp_path: Path) -> None:
    store = keyvalue(tmp_path, "default", [("a", b"1"), ("ü\n", bytes(range(256)))])

    copy = found.named(tmp_path, "keyvalue/copy")
    assert imported(copy, exported(store)) == 2

    everything = "SELECT * FROM entry ORDER BY key"
    assert query(copy, everything) == query(store, everything)
    assert tables.header(copy).format == tables.header(store).format == 1
    assert tables.header(copy).application == 0x7769_6B76
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert query(copy, schema) == query(store, schema)
    assert copy.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in copy.path.parent.iterdir() if "copy" in path.name) == ["copy.db"]


def test_what_is_written_says_what_it_is_and_ends_with_the_number_of_its_lines(tmp_path: Path) -> None:
    text = exported(keyvalue(tmp_path, "default", [("a", b"1")]))

    first, table, row, index, last = [json.loads(line) for line in text.splitlines()]
    assert first == {
        "wisp-store": 1,
        "kind": "keyvalue",
        "name": "default",
        "application": 0x7769_6B76,
        "format": 1,
    }
    assert table["table"] == "entry"
    assert table["columns"] == ["key", "value", "version", "expires"]
    assert row["row"][1:3] == ["a", {"bytes": "MQ=="}]
    assert index["sql"].startswith("CREATE INDEX entry_expires")
    assert last == {"end": 5}


DATABASE = """
CREATE TABLE plain (a, b);
INSERT INTO plain (rowid, a, b) VALUES (7, 1, 'x'), (9, NULL, 2.5);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
INSERT INTO counted (name) VALUES ('one'), ('two'), ('three');
DELETE FROM counted WHERE id = 3;
CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO keyed VALUES ('a', 1);
CREATE TABLE computed (n INTEGER, double INTEGER AS (n * 2) STORED);
INSERT INTO computed (n) VALUES (21);
CREATE TABLE "odd ""name" ("a ""column" TEXT, rowid TEXT);
INSERT INTO "odd ""name" VALUES ('x', 'y');
CREATE VIEW seen AS SELECT a FROM plain;
CREATE TRIGGER copied AFTER INSERT ON counted BEGIN INSERT INTO plain (a) VALUES (NEW.name); END;
CREATE UNIQUE INDEX one ON plain (a) WHERE a IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (text);
INSERT INTO words (rowid, text) VALUES (5, 'the quick brown fox');
PRAGMA user_version = 42;
"""


def test_a_database_comes_back_with_all_that_sql_can_make(tmp_path: Path) -> None:
    store = make(tmp_path, "sqlite/orders", DATABASE)
    copy = found.named(tmp_path, "sqlite/copy")

    imported(copy, exported(store))

    for sql in (
        "SELECT rowid, * FROM plain ORDER BY rowid",
        "SELECT * FROM counted",
        "SELECT * FROM keyed",
        "SELECT * FROM computed",
        'SELECT * FROM "odd ""name"',
        "SELECT * FROM seen ORDER BY a",
        "SELECT rowid FROM words WHERE words MATCH 'quick'",
        "SELECT name, seq FROM sqlite_sequence",
        "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name",
        "PRAGMA user_version",
    ):
        assert query(copy, sql) == query(store, sql), sql
    with contextlib.closing(sqlite3.connect(copy.path)) as connection, connection:
        connection.execute("INSERT INTO counted (name) VALUES ('four')")
    assert query(copy, "SELECT max(id) FROM counted") == [(4,)]


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(max_size=200),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), max_size=20), raw=st.lists(st.binary(max_size=20), max_size=3)
)
def test_any_values_come_back_as_they_were(
    tmp_path: Path, rows: list[tuple[object, ...]], raw: list[bytes]
) -> None:
    store, copy = found.named(tmp_path, "sqlite/any"), found.named(tmp_path, "sqlite/copy")
    for each in (store, copy):
        each.path.unlink(missing_ok=True)
    make(tmp_path, "sqlite/any", "CREATE TABLE any (a, b)")
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.executemany("INSERT INTO any VALUES (?, ?)", rows)
        connection.executemany("INSERT INTO any VALUES (CAST(? AS TEXT), 0)", [(text,) for text in raw])

    assert imported(copy, exported(store)) == len(rows) + len(raw)

    same = "SELECT rowid, typeof(a), CAST(a AS BLOB), typeof(b), CAST(b AS BLOB) FROM any ORDER BY rowid"
    assert query(copy, same) == query(store, same)


def test_what_is_infinite_comes_back() -> None:
    for value in (math.inf, -math.inf):
        written = json.loads(json.dumps(lines.encode_value(value), allow_nan=False))
        assert lines.decode_value(written) == value


def test_a_store_that_is_not_empty_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    text = exported(keyvalue(tmp_path, "other", [("new", b"2")]))
    store = keyvalue(tmp_path, "default", [("old", b"1")])

    with pytest.raises(StoreError, match="keyvalue/default is not empty") as refused:
        imported(store, text)
    assert query(store, "SELECT key FROM entry") == [("old",)]
    assert refused.value.hint == "`--replace` puts what is imported in its place"

    imported(store, text, replace=True)
    assert query(store, "SELECT key FROM entry") == [("new",)]
    assert query(store, "PRAGMA journal_mode") == [("wal",)]


def test_a_store_that_is_empty_is_filled(tmp_path: Path) -> None:
    text = exported(keyvalue(tmp_path, "other", [("new", b"2")]))

    assert imported(keyvalue(tmp_path, "default", []), text) == 1


def test_a_connection_that_is_open_meanwhile_sees_the_new_store(tmp_path: Path) -> None:
    text = exported(keyvalue(tmp_path, "other", [("new", b"2")]))
    store = keyvalue(tmp_path, "default", [("old", b"1")])

    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        before = connection.execute("SELECT key FROM entry").fetchall()
        imported(store, text, replace=True)
        after = connection.execute("SELECT key FROM entry").fetchall()
        with connection:
            connection.execute("INSERT INTO entry VALUES ('newer', x'', 1, NULL)")

    assert (before, after) == ([("old",)], [("new",)])
    assert query(store, "SELECT key FROM entry ORDER BY key") == [("new",), ("newer",)]


def test_a_store_that_somebody_writes_to_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "PATIENCE", 0.1)
    text = exported(keyvalue(tmp_path, "other", [("new", b"2")]))
    store = keyvalue(tmp_path, "default", [("old", b"1")])

    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="keyvalue/default: others wrote to it for too long"):
            imported(store, text, replace=True)
        connection.execute("ROLLBACK")

    assert query(store, "SELECT key FROM entry") == [("old",)]


def altered(text: bytes, number: int, **changes: object) -> bytes:
    """Change some of a line."""
    all_lines = text.splitlines(keepends=True)
    line = {**json.loads(all_lines[number - 1]), **changes}
    all_lines[number - 1] = json.dumps(line).encode() + b"\n"
    return b"".join(all_lines)


def test_nothing_that_is_not_all_of_a_store_changes_one(tmp_path: Path) -> None:
    text = exported(keyvalue(tmp_path, "other", [("new", b"2"), ("newer", b"3")]))
    store = keyvalue(tmp_path, "default", [("old", b"1")])
    wrong: dict[str | bytes, str] = {
        "": "line 1: it is not JSON",
        "{}": "this is not a store that was written by `wisp store export`",
        altered(text, 1, **{"wisp-store": 2}): "the store was written in form 2, and this wisp knows 1",
        altered(text, 1, kind="sqlite"): "a store of the kind sqlite cannot become one",
        altered(text, 1, application=1): "the application id 1 is not that of a store of this kind",
        altered(text, 1, format=2): "it has format 2, and this wisp knows formats up to 1",
        altered(text, 1, format="x"): "line 1: it does not say which store it is",
        altered(text, 2, sql="ATTACH 'x' AS y"): "line 2: it makes no table",
        altered(text, 2, sql="CREATE TABLE entry (key); ATTACH 'x' AS y"): "line 2: ",
        altered(text, 3, row=[1]): "line 3: the row does not fit its table",
        altered(text, 3, row=[1, "a", {"bytes": "!"}, 1, None]): "line 3: `!` is not base64",
        altered(text, 3, row=[1, "a", {"x": 1}, 1, None]): 'line 3: {"x": 1} is not a value',
        altered(text, 3, row=[1, "a", True, 1, None]): "line 3: true is not a value",
        altered(text, 3, row=[1, "a", 2**64, 1, None]): "is not a value",
        altered(text, 3, row=[1, "a", None, 1, None]): "line 3: NOT NULL constraint failed: entry.value",
        altered(text, 5, sql="DROP TABLE entry"): "line 5: it is nothing that a store has",
        altered(text, 6, end=7): "line 6: it is not the last line, or lines are missing",
        text + b"{}\n": "line 6: it is not the last line, or lines are missing",
        **{text[:at]: "" for at in range(0, len(text) - 1, 11)},
    }

    for each, complaint in wrong.items():
        with pytest.raises(StoreError) as caught:
            imported(store, each.encode() if isinstance(each, str) else each, replace=True)
        assert complaint in caught.value.message

    assert query(store, "SELECT key FROM entry") == [("old",)]
    assert [path.name for path in store.path.parent.glob(".*")] == []


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    store = found.named(tmp_path, "keyvalue/default")
    store.path.parent.mkdir(parents=True)
    store.path.write_bytes(b"not a database, but long enough to be one" * 100)

    with pytest.raises(StoreError, match="keyvalue/default: file is not a database"):
        tables.header(store)


@pytest.mark.parametrize(
    "title", ["", "keyvalue", "keyvalue/", "keyvalue/../x", "other/x", "keyvalue/.x", "blobstore/"]
)
def test_what_cannot_be_a_store_is_refused(tmp_path: Path, title: str) -> None:
    with pytest.raises(StoreError):
        found.named(tmp_path, title)
