"""`wasi:blobstore/types`."""

from wit_world.imports.wasi_io_streams import InputStream, OutputStream

class ObjectMetadata:
    """What is known of an object."""

    name: str
    container: str
    created_at: int
    size: int

class ObjectId:
    """An object of a container."""

    container: str
    object: str
    def __init__(self, container: str, object: str) -> None: ...  # noqa: A002 - the interface's name

class OutgoingValue:
    """An object that is being written."""

    @classmethod
    def new_outgoing_value(cls) -> OutgoingValue: ...
    def outgoing_value_write_body(self) -> OutputStream: ...
    @classmethod
    def finish(cls, this: OutgoingValue) -> None: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> bool | None: ...

class IncomingValue:
    """An object that is being read."""

    @classmethod
    def incoming_value_consume_async(cls, this: IncomingValue) -> InputStream: ...
