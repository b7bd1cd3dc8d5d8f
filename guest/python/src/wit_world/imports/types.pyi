"""`wasi:http/types`."""

from typing import TypeAlias

from componentize_py_types import Err, Ok

from wit_world.imports.streams import InputStream, OutputStream

class Method_Get:  # noqa: N801 - componentize-py's name
    """One of the methods that have a name of their own; the others look the same."""

class Method_Other:  # noqa: N801 - componentize-py's name
    """A method that has none."""

    value: str

Method: TypeAlias = Method_Get | Method_Other

class Fields:
    """Header fields."""

    @classmethod
    def from_list(cls, entries: list[tuple[str, bytes]]) -> Fields: ...
    def entries(self) -> list[tuple[str, bytes]]: ...
    def __enter__(self) -> Fields: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class IncomingBody:
    """A request's body."""

    def stream(self) -> InputStream: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class IncomingRequest:
    """A request."""

    def method(self) -> Method: ...
    def path_with_query(self) -> str | None: ...
    def headers(self) -> Fields: ...
    def consume(self) -> IncomingBody: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class OutgoingBody:
    """A response's body."""

    def write(self) -> OutputStream: ...
    @classmethod
    def finish(cls, this: OutgoingBody, trailers: Fields | None) -> None: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class OutgoingResponse:
    """A response."""

    def __init__(self, headers: Fields) -> None: ...
    def set_status_code(self, status_code: int) -> None: ...
    def body(self) -> OutgoingBody: ...

class ResponseOutparam:
    """Where the response goes."""

    @classmethod
    def set(cls, param: ResponseOutparam, response: Ok[OutgoingResponse] | Err[object]) -> None: ...
