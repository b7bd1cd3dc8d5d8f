"""SQL databases of the host: `wisp:sqlite`. In the manner of Python's `sqlite3`, without its old corners.

    from wisp_guest import sqlite

    db = sqlite.connect("default")

    db.execute("create table if not exists notes (id integer primary key, text text not null)")
    with db.transaction():
        db.execute("insert into notes (text) values (?)", ["buy milk"])
    for row in db.execute("select id, text from notes where id > ?", [3]):
        row[0], row["text"], dict(row)

The manifest grants it: `grants = { sqlite = ["default"] }`. Each statement outside of a transaction is one of its own.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, overload

from wisp_guest import _host
from wisp_guest._host import Err
from wisp_guest.errors import CapabilityError, NotGrantedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wit_world.imports import wisp_sqlite_sqlite as sql
else:
    sql = _host.Interface("wisp:sqlite/sqlite")

__all__ = [
    "BusyError",
    "Connection",
    "Cursor",
    "DatabaseFullError",
    "DeniedError",
    "Error",
    "IntegrityError",
    "ProgrammingError",
    "RefusedError",
    "Row",
    "TimedOutError",
    "TooLargeError",
    "Value",
    "connect",
]

Value: TypeAlias = int | float | str | bytes | None
"""What a column holds."""


class Error(CapabilityError):
    """The database could not do it."""

    code: int | None = None
    """SQLite's extended result code, where it gave one."""


class DeniedError(Error, NotGrantedError):
    """The database is not granted."""


class RefusedError(Error):
    """No statement may do this: attach a database, load an extension, be several statements in one text."""


class ProgrammingError(Error):
    """It is no SQL, or names a table that is not there, or the number of parameters does not fit."""


class IntegrityError(Error):
    """A constraint of the database does not allow it."""


class BusyError(Error):
    """Another connection held the database for too long. Nothing was changed; try again."""


class TimedOutError(Error):
    """The statement took longer than it may. It changed nothing."""


class TooLargeError(Error):
    """The answer has more rows or bytes than one answer may have."""


class DatabaseFullError(Error):
    """The database has the size that it may have."""


_ERRORS: dict[str, type[Error]] = {
    "access-denied": DeniedError,
    "refused": RefusedError,
    "invalid": ProgrammingError,
    "constraint": IntegrityError,
    "busy": BusyError,
    "timed-out": TimedOutError,
    "too-large": TooLargeError,
    "full": DatabaseFullError,
}


class Row(tuple[Value, ...]):
    """The values of a row, by number or by the name of their column; `dict(row)` has both."""

    __slots__ = ()
    columns: tuple[str, ...] = ()

    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return self.columns

    @overload  # type: ignore[override]
    def __getitem__(self, key: int | str) -> Value: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Value, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Value | tuple[Value, ...]:
        if isinstance(key, str):
            try:
                return super().__getitem__(self.columns.index(key))
            except ValueError:
                raise KeyError(key) from None
        return super().__getitem__(key)


class Cursor:
    """What a statement did, or the rows that it returned: iterate over it once."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str], changes: tuple[int, int | None]) -> None:
        self.columns = tuple(columns)
        """The names of the columns; none when the statement returns no rows."""

        self.rowcount, self.lastrowid = changes
        """How many rows were changed, or are returned; and the rowid of the row that was inserted last."""

        self._rows = iter(rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def fetchone(self) -> Row | None:
        """Return the next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        return list(self._rows)


class Connection:
    """A connection to a database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._connection = _host.Kept(lambda: sql.Connection.open(name))

    def __repr__(self) -> str:
        return f"sqlite.connect({self.name!r})"

    def execute(self, statement: str, parameters: Iterable[Value] = ()) -> Cursor:
        """Run one statement; its `?` stand for the parameters."""
        values = [_value(parameter) for parameter in parameters]
        with self._asked() as connection:
            if not returns_rows(statement):
                outcome = connection.execute(statement, values)
                return Cursor((), (), (outcome.affected, outcome.last_rowid or None))
            answer = connection.query(statement, values)
        return _cursor(answer)

    def executemany(self, statement: str, rows: Iterable[Iterable[Value]]) -> int:
        """Run one statement for each row of parameters, all or none of them, and return how many rows it changed."""
        with self.transaction():
            return sum(self.execute(statement, row).rowcount for row in rows)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Do all that the block does with this connection, or nothing: an exception takes it back."""
        with self._asked() as connection:
            transaction = connection.begin()
        try:
            yield self
        except BaseException:
            with self._asked():
                transaction.rollback()
            raise
        else:
            with self._asked():
                transaction.commit()
        finally:
            transaction.__exit__(None, None, None)

    def close(self) -> None:
        """Give the connection back; a transaction that is open is taken back."""
        if (connection := self._connection.take()) is not None:
            connection.__exit__(None, None, None)

    @contextmanager
    def _asked(self) -> Iterator[sql.Connection]:
        """Hold the connection, and turn the interface's errors into ours."""
        try:
            yield self._connection.get()
        except Err as error:
            raise _error(error.value, self.name) from None


def connect(name: str = "default") -> Connection:
    """Return a connection to a database, by the name that the manifest grants. It is opened when it is first used."""
    return Connection(name)


_SKIPPED = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)""", re.DOTALL
)
_WORD = re.compile(r"[(),;]|[A-Za-z_]\w*")
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})


def returns_rows(statement: str) -> bool:
    """Whether a statement is one that returns rows: SELECT, VALUES, PRAGMA, EXPLAIN, or a change with RETURNING."""
    words = [word.upper() for word in _WORD.findall(_SKIPPED.sub(" ", statement))]
    if words[:1] != ["WITH"]:
        first = words[0] if words else ""
        return first in {"SELECT", "VALUES", "PRAGMA", "EXPLAIN", "("} or (
            first in _WRITES and "RETURNING" in words
        )
    depth = 0
    for at, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and word in _WRITES:
            return "RETURNING" in words[at:]
    return True


def _cursor(answer: sql.Answer) -> Cursor:
    kind = type("Row", (Row,), {"__slots__": (), "columns": tuple(answer.columns)})
    rows = [kind(getattr(value, "value", None) for value in row) for row in answer.rows]
    return Cursor(rows, answer.columns, (len(rows), None))


def _value(value: object) -> sql.Value:
    match value:
        case None:
            return sql.Value_Null()
        case int():
            return sql.Value_Integer(int(value))
        case float():
            return sql.Value_Real(value)
        case str():
            return sql.Value_Text(value)
        case bytes() | bytearray() | memoryview():
            return sql.Value_Blob(bytes(value))
    message = f"a parameter is None, a number, text or bytes, not {type(value).__name__}"
    raise ProgrammingError(message)


def _error(value: object, name: str) -> Error:
    case, inner = _host.case(value), getattr(value, "value", None)
    said = getattr(inner, "message", None) or inner or case.replace("-", " ")
    error = _ERRORS.get(case, Error)(f"the database {name!r}: {said}")
    error.code = getattr(inner, "code", None)
    return error
