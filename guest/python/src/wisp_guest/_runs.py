"""Between `wisp:cron` and a handler; works only inside a component."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wisp_guest import _serve, cron
from wisp_guest._handlers import called
from wisp_guest._host import Err

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def handler_class(module: ModuleType) -> type:
    """Return the class that exports the module's handler of runs.

    Raises:
        TypeError: it has none.

    """
    function = cron._handler()  # noqa: SLF001 - ours, and none of the user's business
    if function is None:
        message = f"module {module.__name__} has no handler of runs: decorate a function with @wisp_guest.cron.handler"
        raise TypeError(message)
    call = called(function)

    class Handler:
        """The export of the component."""

        def run(self, event: Any) -> None:  # noqa: ANN401 - the bindings have a type of their own for it
            """Do one run."""
            planned = datetime.fromtimestamp(event.planned, UTC)
            try:
                call(cron.Tick(event.schedule, event.timezone, planned, event.id))
            except BaseException as error:  # noqa: BLE001 - nothing that a handler raises may end the instance
                _serve.log(error)
                message = f"{type(error).__name__}: {error}"
                raise Err(message) from None

    return Handler
