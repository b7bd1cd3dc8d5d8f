"""`wisp:messaging/types`."""

class Message:
    """What is published."""

    body: bytes
    content_type: str | None
    headers: list[tuple[str, str]]
    def __init__(self, body: bytes, content_type: str | None, headers: list[tuple[str, str]]) -> None: ...
