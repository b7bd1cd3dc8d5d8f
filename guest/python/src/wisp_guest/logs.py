"""Log lines with a level: what the module `logging` of the standard library writes goes to `wasi:logging`.

    import logging
    from wisp_guest import logs

    logs.install()

    logging.getLogger("shop").warning("only %d left", 3)

Without it, logging writes to the standard error stream as everywhere, and the host does not see the level.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from wisp_guest import _host

if TYPE_CHECKING:
    from wit_world.imports import wasi_logging_logging as lines
else:
    lines = _host.Interface("wasi:logging/logging")

__all__ = ["Handler", "install"]

LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARN"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
)


class Handler(logging.Handler):
    """Hands log records to the host: their level, the logger's name as the context, the message.

    While the component is built there is no host, and lines go to the standard error stream.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over."""
        try:
            text = self.format(record)
            if lines.bindings is None or not _host.is_ready():  # type: ignore[attr-defined]
                sys.stderr.write(f"{text}\n")
                return
            level = next((name for least, name in LEVELS if record.levelno >= least), "TRACE")
            lines.log(lines.Level[level], record.name, text)
        except Exception:  # noqa: BLE001 - logging's own rule: a handler never fails its caller
            self.handleError(record)


def install(level: int | str = logging.INFO) -> Handler:
    """Let the standard library's logging go to the host, from this level on, in place of where it went."""
    root = logging.getLogger()
    handler = Handler()
    root.handlers[:] = [handler]
    root.setLevel(level)
    return handler
