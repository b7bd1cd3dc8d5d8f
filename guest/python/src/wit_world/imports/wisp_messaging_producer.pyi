"""`wisp:messaging/producer`."""

from wit_world.imports.wisp_messaging_types import Message

def publish(subject: str, message: Message) -> None: ...
