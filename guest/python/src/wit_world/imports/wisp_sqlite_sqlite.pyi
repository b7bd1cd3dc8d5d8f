"""`wisp:sqlite/sqlite`."""

from typing import TypeAlias

class Value_Null:  # noqa: N801 - componentize-py's name
    """No value."""

class Value_Integer:  # noqa: N801 - componentize-py's name
    """A number of 64 bits."""

    value: int
    def __init__(self, value: int) -> None: ...

class Value_Real:  # noqa: N801 - componentize-py's name
    """A floating-point number."""

    value: float
    def __init__(self, value: float) -> None: ...

class Value_Text:  # noqa: N801 - componentize-py's name
    """Text."""

    value: str
    def __init__(self, value: str) -> None: ...

class Value_Blob:  # noqa: N801 - componentize-py's name
    """Bytes."""

    value: bytes
    def __init__(self, value: bytes) -> None: ...

Value: TypeAlias = Value_Null | Value_Integer | Value_Real | Value_Text | Value_Blob

class Answer:
    """Rows."""

    columns: list[str]
    rows: list[list[Value]]

class Outcome:
    """What a statement did."""

    affected: int
    last_rowid: int

class Transaction:
    """All or nothing."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class Connection:
    """A connection to a database."""

    @classmethod
    def open(cls, name: str) -> Connection: ...
    def execute(self, statement: str, parameters: list[Value]) -> Outcome: ...
    def query(self, statement: str, parameters: list[Value]) -> Answer: ...
    def begin(self) -> Transaction: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...
