"""`wasi:logging/logging`."""

from enum import Enum

class Level(Enum):
    """How grave a line is."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    CRITICAL = 5

def log(level: Level, context: str, message: str) -> None: ...
