"""Stores in SQLite: written out table by table, read into a file of their own, then put in the place of what was there.

What is put in a place is put there by one transaction of SQLite, or by a rename where nothing was: a host that uses the store at
that moment sees the old one or the new one, and whatever is killed when, one of the two is there, whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import sqlite3
from typing import TYPE_CHECKING, Final

from wisp.errors import StoreError
from wisp.host.stores import found, lines
from wisp.host.stores.found import KINDS
from wisp.host.stores.lines import Header, RawText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wisp.host.stores.found import Store
    from wisp.host.stores.lines import Line, Value

_LATER: Final = re.compile(r"CREATE\s+(UNIQUE\s+INDEX|INDEX|TRIGGER|VIEW)\s", re.IGNORECASE)
_TABLE: Final = re.compile(r"CREATE\s+TABLE\s", re.IGNORECASE)
_VIRTUAL: Final = re.compile(r"CREATE\s+VIRTUAL\s+TABLE\s", re.IGNORECASE)
_SEQUENCE: Final = "sqlite_sequence"


def header(store: Store) -> Header:
    """Return what the file of a store says of itself. Raises StoreError."""
    with contextlib.closing(found.connect(store)) as connection:
        return _header(store, connection)


def entries(store: Store) -> int:
    """Count its entries: the rows of all its tables."""
    with contextlib.closing(found.connect(store)) as connection:
        try:
            names = [name for name, sql in _tables(connection) if sql]
            return sum(_number(connection, f"SELECT count(*) FROM {_quoted(name)}") for name in names)  # noqa: S608 - quoted
        except sqlite3.Error as error:
            raise found.failure(store, error) from error


def dump(store: Store) -> tuple[Header, Iterator[Line]]:
    """Return what a store begins with, and the lines of all there was in it at one moment. Raises StoreError."""
    connection = found.connect(store)
    connection.text_factory = _text
    connection.execute("BEGIN")
    return _header(store, connection), _lines(store, connection)


def load(store: Store, head: Header, content: Iterator[Line], *, replace: bool) -> int:
    """Put what was written out in the place of a store; returns how many entries it has.

    Raises:
        StoreError: it cannot be; then the store is as it was.

    """
    _check(store, head)
    store.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear(store)
    beside = store.path.with_name(f".{store.path.name}.import-{secrets.token_hex(8)}")
    with open(beside, "xb", opener=_private) as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        try:
            count = _fill(store, beside, head, content)
            os.fsync(held.fileno())
            _place(store, beside, replace=replace)
        except sqlite3.Error as error:
            raise found.failure(store, error) from error
        finally:
            beside.unlink(missing_ok=True)
    return count


def leftovers(store: Store) -> list[Path]:
    """Find what an import that was killed has left behind."""
    beside = store.path.parent.glob(f".{store.path.name}.import-*")
    return [
        path
        for path in sorted(beside)
        if not path.name.endswith(("-wal", "-shm")) and found.is_abandoned(path)
    ]


def clear(store: Store) -> None:
    """Remove what an import that was killed has left behind."""
    for path in leftovers(store):
        path.unlink(missing_ok=True)


def _header(store: Store, connection: sqlite3.Connection) -> Header:
    application = _number(connection, "PRAGMA application_id")
    return Header(store.kind, store.name, application, _number(connection, "PRAGMA user_version"))


def _check(store: Store, head: Header) -> None:
    kind = KINDS[store.kind]
    if head.kind != store.kind or head.format is None:
        message = f"{store.title}: a store of the kind {head.kind} cannot become one"
        raise StoreError(message)
    if kind.application is not None and head.application != kind.application:
        message = f"{store.title}: the application id {head.application} is not that of a store of this kind"
        raise StoreError(message)
    if kind.newest is not None and not 1 <= head.format <= kind.newest:
        message = (
            f"{store.title}: it has format {head.format}, and this wisp knows formats up to {kind.newest}"
        )
        raise StoreError(message, hint="use a newer wisp")


def _lines(store: Store, connection: sqlite3.Connection) -> Iterator[Line]:
    with contextlib.closing(connection):
        try:
            for name, sql in _tables(connection):
                yield from _rows(connection, name, sql)
            schema = "SELECT sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY rowid"
            yield from ({"sql": sql} for (sql,) in connection.execute(schema).fetchall())
            virtual = [(name, sql) for name, sql in _all_tables(connection) if sql and _VIRTUAL.match(sql)]
            yield from ({"virtual": name, "sql": sql} for name, sql in virtual)
        except sqlite3.Error as error:
            raise found.failure(store, error) from error


def _tables(connection: sqlite3.Connection) -> list[tuple[str, str | None]]:
    """Return the tables that have rows of their own, with how they are made; SQLite makes its own by itself."""
    tables = [(name, sql) for name, sql in _all_tables(connection) if not (sql and _VIRTUAL.match(sql))]
    plain = [(name, sql) for name, sql in tables if not name.startswith("sqlite_")]
    return plain + [(name, None) for name, _ in tables if name == _SEQUENCE]


def _all_tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid"
    ).fetchall()


def _rows(connection: sqlite3.Connection, name: str, sql: str | None) -> Iterator[Line]:
    columns = _columns(connection, name)
    has_rowid = sql is not None and _has_hidden_rowid(connection, name)
    yield {"table": name, "sql": sql, "columns": columns, "rowid": has_rowid}
    wanted = ", ".join([*(["rowid"] if has_rowid else []), *map(_quoted, columns)])
    for row in connection.execute(f"SELECT {wanted} FROM {_quoted(name)}"):  # noqa: S608 - quoted
        yield {"row": [lines.encode_value(value) for value in row]}


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns that are not computed."""
    rows = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", (table,)
    )
    return [name for (name,) in rows]


def _has_hidden_rowid(connection: sqlite3.Connection, table: str) -> bool:
    """Whether rows have a number that is not one of the columns."""
    columns = connection.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,)).fetchall()
    keys = [kind for _, kind, key in columns if key]
    if [kind.upper() for kind in keys] == ["INTEGER"] or any(name.lower() == "rowid" for name, *_ in columns):
        return False
    try:
        connection.execute(f"SELECT rowid FROM {_quoted(table)} LIMIT 0")  # noqa: S608 - quoted
    except sqlite3.OperationalError:
        return False  # WITHOUT ROWID
    return True


def _fill(store: Store, path: Path, head: Header, content: Iterator[Line]) -> int:
    """Read lines into a new database, and see whether it is a good one. Returns how many entries it has."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # What is killed here is thrown away; what is complete is brought to the disk before it is used.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA application_id = {int(head.application or 0)}")
        connection.execute(f"PRAGMA user_version = {int(head.format or 0)}")
        connection.set_authorizer(_judge)
        connection.execute("BEGIN")
        count = _Filling(connection).all(content)
        connection.execute("COMMIT")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        complaints = problems(connection)
    if complaints:
        message = f"{store.title}: what was written out is not sound: {complaints[0]}"
        raise StoreError(message)
    return count


class _Filling:
    """Puts lines into a database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._insert: tuple[str, int] | None = None
        self._is_counted = False
        self._virtual: list[tuple[str, str]] = []

    def all(self, content: Iterator[Line]) -> int:
        count = 0
        for number, line in enumerate(content, start=2):
            try:
                count += self._one(line)
            except sqlite3.Error as error:
                raise lines.broken(number, str(error)) from error
            except StoreError as error:
                raise lines.broken(number, error.message) from error
        # Their tables are there already: only what names them is missing.
        if self._virtual:
            self._connection.execute("PRAGMA writable_schema = ON")
            for name, sql in self._virtual:
                entry = "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)"
                self._connection.execute(entry, (name, name, sql))
        return count

    def _one(self, line: Line) -> int:
        match line:
            case {
                "table": str(name),
                "sql": str() | None as sql,
                "columns": [*columns],
                "rowid": bool(has_rowid),
            }:
                self._table(name, sql, [str(column) for column in columns], has_rowid=has_rowid)
            case {"row": [*values]}:
                return self._row([lines.decode_value(value) for value in values])
            case {"virtual": str(name), "sql": str(sql)} if _VIRTUAL.match(sql):
                self._virtual.append((name, sql))
            case {"sql": str(sql)} if _LATER.match(sql):
                self._connection.execute(sql)
            case _:
                raise StoreError("it is nothing that a store has")
        return 0

    def _table(self, name: str, sql: str | None, columns: Sequence[str], *, has_rowid: bool) -> None:
        if sql is None and name == _SEQUENCE:
            self._connection.execute("DELETE FROM sqlite_sequence")
        elif sql is not None and _TABLE.match(sql):
            self._connection.execute(sql)
        else:
            raise StoreError("it makes no table")
        names = [*(["rowid"] if has_rowid else []), *map(_quoted, columns)]
        self._insert = f"INSERT INTO {_quoted(name)} ({', '.join(names)}) VALUES", len(names)
        self._is_counted = sql is not None

    def _row(self, values: Sequence[Value]) -> int:
        if self._insert is None or self._insert[1] != len(values):
            raise StoreError("the row does not fit its table")
        holes = ["CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in values]
        self._connection.execute(f"{self._insert[0]} ({', '.join(holes)})", values)
        return int(self._is_counted)


def _place(store: Store, beside: Path, *, replace: bool) -> None:
    """Put a complete database in the place of a store."""
    with found.locked(store.path.parent):
        if not store.path.exists():
            beside.rename(store.path)
            found.sync_folder(store.path.parent)
            return
    with (
        contextlib.closing(found.connect(store, writing=True)) as target,
        contextlib.closing(sqlite3.connect(beside)) as source,
    ):
        if not replace and not _is_empty(target):
            message = f"{store.title} is not empty"
            raise StoreError(message, hint="`--replace` puts what is imported in its place")
        # All pages in one step, which is one transaction.
        source.backup(target, progress=_impatient)


def _impatient(status: int, *_: int) -> None:
    """Give up where others hold the store, who were waited for already: the backup would try again for ever."""
    if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        raise sqlite3.OperationalError("others wrote to it for too long")


def _is_empty(connection: sqlite3.Connection) -> bool:
    some = (f"SELECT EXISTS (SELECT 1 FROM {_quoted(name)})" for name, _ in _tables(connection))  # noqa: S608 - quoted
    return not any(_number(connection, sql) for sql in some)


def problems(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite says is wrong with a database."""
    try:
        said = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if said == ["ok"] else said


def _judge(action: int, *_: object) -> int:
    return (
        sqlite3.SQLITE_DENY if action in {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH} else sqlite3.SQLITE_OK
    )


def _text(raw: bytes) -> str | RawText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


def _number(connection: sqlite3.Connection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone()
    return int(number)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
