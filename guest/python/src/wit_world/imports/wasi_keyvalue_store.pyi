"""`wasi:keyvalue/store`."""

class KeyResponse:
    """A page of keys."""

    keys: list[str]
    cursor: str | None

class Bucket:
    """An open store."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> None: ...
    def delete(self, key: str) -> None: ...
    def exists(self, key: str) -> bool: ...
    def list_keys(self, cursor: str | None) -> KeyResponse: ...

def open(identifier: str) -> Bucket: ...  # noqa: A001 - the interface's name
