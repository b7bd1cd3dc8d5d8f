"""`wisp:keyvalue/extension`."""

from wit_world.imports.wasi_keyvalue_store import Bucket, KeyResponse

class Entry:
    """A value with what the store knows of it."""

    value: bytes
    version: int
    time_left: int | None

def get_entry(bucket: Bucket, key: str) -> Entry | None: ...
def set_for(bucket: Bucket, key: str, value: bytes, milliseconds: int) -> None: ...
def compare_and_set(
    bucket: Bucket, key: str, version: int | None, value: bytes, milliseconds: int | None
) -> int: ...
def list_prefix(bucket: Bucket, prefix: str, cursor: str | None, limit: int) -> KeyResponse: ...
