"""What componentize-py puts into every component, for type checkers; nothing of it exists outside."""

from typing import Generic, TypeVar

_T = TypeVar("_T")

class Ok(Generic[_T]):
    """A result that is a success."""

    value: _T
    def __init__(self, value: _T) -> None: ...

class Err(Exception, Generic[_T]):  # noqa: N818 - componentize-py's name
    """A result that is a failure; raised."""

    value: _T
    def __init__(self, value: _T) -> None: ...
