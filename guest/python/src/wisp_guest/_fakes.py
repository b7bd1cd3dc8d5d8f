"""Stand-ins for the bindings of stores, databases and blobs, for `wisp_guest.testing`: they behave as the host's, in memory."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self, TypeVar

from wisp_guest._host import Err

if TYPE_CHECKING:
    from contextlib import ExitStack

Item = TypeVar("Item")

FOREVER = float("inf")
MOST_IN_BATCH = 1000


@dataclass
class _Case:
    """A case of a variant; its class has the name of the case."""

    value: object = None


def _case(name: str, value: object = None) -> Err[object]:
    return Err(type(f"Error_{name}", (_Case,), {})(value))


class _Handle:
    """What is given back like a resource."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do what giving it back does."""


class _Bucket:
    """A store: the values are those that tests look at; what else is known of keys lies beside."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values
        self.versions: dict[str, int] = {}
        self.ends: dict[str, float] = {}
        self.writes = 0

    def get(self, key: str) -> bytes | None:
        if self.ends.get(key, FOREVER) <= time.monotonic():
            self.delete(key)
        return self.values.get(key)

    def set(self, key: str, value: bytes, milliseconds: int | None = None) -> None:
        self.writes += 1
        self.values[key], self.versions[key] = value, self.writes
        self.ends[key] = FOREVER if milliseconds is None else time.monotonic() + milliseconds / 1000

    def delete(self, key: str) -> None:
        for each in (self.values, self.versions, self.ends):
            each.pop(key, None)

    def exists(self, key: str) -> bool:
        return self.get(key) is not None

    def version(self, key: str) -> int | None:
        return self.versions.setdefault(key, 0) if self.exists(key) else None


class _Cas:
    def __init__(self, bucket: _Bucket, key: str) -> None:
        self.bucket, self.key, self.version = bucket, key, bucket.version(key)

    @classmethod
    def new(cls, bucket: _Bucket, key: str) -> _Cas:
        return cls(bucket, key)

    def current(self) -> bytes | None:
        return self.bucket.get(self.key)


def _increment(bucket: _Bucket, key: str, delta: int) -> int:
    total = int(bucket.get(key) or 0) + delta
    bucket.set(key, str(total).encode())
    return total


def _swap(cas: _Cas, value: bytes) -> None:
    if cas.bucket.version(cas.key) != cas.version:
        raise _case("CasFailed", cas)
    cas.bucket.set(cas.key, value)


def _compare_and_set(
    bucket: _Bucket, key: str, version: int | None, value: bytes, milliseconds: int | None
) -> int:
    if bucket.version(key) != version:
        raise _case("Changed", bucket.version(key))
    bucket.set(key, value, milliseconds)
    return bucket.writes


def _entry(bucket: _Bucket, key: str) -> SimpleNamespace | None:
    value, end = bucket.get(key), bucket.ends.get(key, FOREVER)
    left = None if end == FOREVER else round((end - time.monotonic()) * 1000)
    return (
        None if value is None else SimpleNamespace(value=value, version=bucket.version(key), time_left=left)
    )


def _list_prefix(bucket: _Bucket, prefix: str, cursor: str | None, limit: int) -> SimpleNamespace:
    keys = sorted(key for key in list(bucket.values) if key.startswith(prefix) and bucket.exists(key))
    rest = [key for key in keys if cursor is None or key > cursor]
    return SimpleNamespace(keys=rest[:limit], cursor=rest[limit - 1] if len(rest) > limit else None)


def _batch(items: list[Item]) -> list[Item]:
    if len(items) > MOST_IN_BATCH:
        raise _case("Other", f"a batch has at most {MOST_IN_BATCH} keys")
    return items


def _get_many(bucket: _Bucket, keys: list[str]) -> list[tuple[str, bytes | None]]:
    return [(key, bucket.get(key)) for key in _batch(keys)]


def _delete_many(bucket: _Bucket, keys: list[str]) -> None:
    for key in _batch(keys):
        bucket.delete(key)


def _set_many(bucket: _Bucket, pairs: list[tuple[str, bytes]]) -> None:
    for key, value in _batch(pairs):
        bucket.set(key, value)


def stores(values: dict[str, dict[str, bytes]]) -> tuple[object, object, object, object]:
    """Return what answers `store`, `atomics`, `batch` and our extension."""
    opened: dict[str, _Bucket] = {}

    def bucket(name: str) -> _Bucket:
        return opened.setdefault(name, _Bucket(values.setdefault(name, {})))

    return (
        SimpleNamespace(open=bucket),
        SimpleNamespace(Cas=_Cas, increment=_increment, swap=_swap),
        SimpleNamespace(get_many=_get_many, set_many=_set_many, delete_many=_delete_many),
        SimpleNamespace(
            get_entry=_entry, set_for=_Bucket.set, compare_and_set=_compare_and_set, list_prefix=_list_prefix
        ),
    )


class _Connection(_Handle):
    """A connection to an SQLite database in memory, which all connections of its name share."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def execute(self, statement: str, parameters: list[_Case]) -> SimpleNamespace:
        cursor = self._run(statement, parameters)
        return SimpleNamespace(affected=max(cursor.rowcount, 0), last_rowid=cursor.lastrowid or 0)

    def query(self, statement: str, parameters: list[_Case]) -> SimpleNamespace:
        cursor = self._run(statement, parameters)
        rows = [[_Case(value) for value in row] for row in cursor]
        return SimpleNamespace(columns=[column[0] for column in cursor.description or ()], rows=rows)

    def begin(self) -> _Transaction:
        self._run("begin immediate", [])
        return _Transaction(self._database)

    def _run(self, statement: str, parameters: list[_Case]) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, [parameter.value for parameter in parameters])
        except sqlite3.IntegrityError as error:
            raise _case(
                "Constraint", SimpleNamespace(code=error.sqlite_errorcode, message=str(error))
            ) from None
        except (sqlite3.Error, sqlite3.Warning) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            raise _case("Invalid", SimpleNamespace(code=code, message=str(error))) from None


class _Transaction(_Handle):
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def commit(self) -> None:
        self._database.commit()

    def rollback(self) -> None:
        self._database.rollback()

    def close(self) -> None:
        if self._database.in_transaction:
            self.rollback()


def databases(after: ExitStack) -> object:
    """Return what answers `wisp:sqlite`."""
    opened: dict[str, sqlite3.Connection] = {}

    def connect(name: str) -> _Connection:
        if name not in opened:
            opened[name] = sqlite3.connect(":memory:", isolation_level=None)
            after.callback(opened[name].close)
        return _Connection(opened[name])

    kinds = {f"Value_{kind}": _Case for kind in ("Null", "Integer", "Real", "Text", "Blob")}
    return SimpleNamespace(Connection=SimpleNamespace(open=connect), **kinds)


class _Stream(_Handle):
    """A stream of bytes, to read from or to write to."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def blocking_read(self, size: int) -> bytes:
        if not self.content:
            raise _case("Closed")
        piece, self.content = self.content[:size], self.content[size:]
        return piece

    def check_write(self) -> int:
        return 4096

    def write(self, data: bytes) -> None:
        self.content += data


class _Value(_Handle):
    """A blob that is being written."""

    def __init__(self) -> None:
        self.stream = _Stream()
        self.place: tuple[dict[str, bytes], str] | None = None

    def outgoing_value_write_body(self) -> _Stream:
        return self.stream

    def finish(self) -> None:
        if self.place is not None:
            blobs, name = self.place
            blobs[name] = self.stream.content


class _Names(_Handle):
    def __init__(self, names: list[str]) -> None:
        self._names = names

    def read_stream_object_names(self, size: int) -> tuple[list[str], bool]:
        page, self._names = self._names[:size], self._names[size:]
        return page, not self._names


class _Container:
    def __init__(self, name: str, blobs: dict[str, bytes]) -> None:
        self._name, self._blobs = name, blobs

    def has_object(self, name: str) -> bool:
        return name in self._blobs

    def list_objects(self) -> _Names:
        return _Names(sorted(self._blobs))

    def get_data(self, name: str, start: int, end: int) -> _Stream:
        return _Stream(_blob(self._blobs, name)[start : end + 1])

    def write_data(self, name: str, value: _Value) -> None:
        value.place = (self._blobs, name)

    def object_info(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, container=self._name, created_at=0, size=len(_blob(self._blobs, name))
        )

    def delete_objects(self, names: list[str]) -> None:
        for name in names:
            self._blobs.pop(name, None)

    def clear(self) -> None:
        self._blobs.clear()


def _blob(blobs: dict[str, bytes], name: str) -> bytes:
    if name not in blobs:
        message = f"there is no object `{name}`"
        raise Err(message)
    return blobs[name]


def blobs(containers: dict[str, dict[str, bytes]]) -> tuple[object, object]:
    """Return what answers `blobstore` and its types."""

    def open_container(name: str) -> _Container:
        return _Container(name, containers.setdefault(name, {}))

    def copy(source: tuple[str, str], target: tuple[str, str]) -> None:
        blob = _blob(containers.get(source[0], {}), source[1])
        containers.setdefault(target[0], {})[target[1]] = blob

    def move(source: tuple[str, str], target: tuple[str, str]) -> None:
        copy(source, target)
        if source != target:
            del containers[source[0]][source[1]]

    return (
        SimpleNamespace(
            create_container=open_container,
            get_container=open_container,
            container_exists=containers.__contains__,
            copy_object=copy,
            move_object=move,
        ),
        SimpleNamespace(
            ObjectId=lambda container, name: (container, name),
            OutgoingValue=SimpleNamespace(new_outgoing_value=_Value, finish=_Value.finish),
            IncomingValue=SimpleNamespace(incoming_value_consume_async=lambda stream: stream),
        ),
    )
