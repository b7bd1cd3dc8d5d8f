"""Making the interpreter ready for its snapshot, after which there are no files to import from."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from typing import TYPE_CHECKING

from wisp_guest import _host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def settle(late: Mapping[str, Sequence[str]]) -> None:
    """Do all that a library needs, which does not serve HTTP.

    Args:
        late: For each of the project's files, the modules that it imports inside of functions.

    """
    preload(late)
    freeze()


def freeze() -> None:
    """End the build: tidy the memory up that the snapshot will hold."""
    _host.ready()
    gc.collect()
    gc.freeze()


def preload(late: Mapping[str, Sequence[str]]) -> None:
    """Import what the imported modules would import later, when there are no files to import from any more."""
    waiting = dict(late)
    while ready := [name for name in waiting if _imported(name)]:
        for module in [module for name in ready for module in waiting.pop(name)]:
            with contextlib.suppress(
                Exception
            ):  # It may be optional, or a name in a module that is no module.
                importlib.import_module(module)


def _imported(file: str) -> bool:
    return any(getattr(module, "__file__", None) == file for module in list(sys.modules.values()))
