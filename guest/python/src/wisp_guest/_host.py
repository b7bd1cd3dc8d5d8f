"""The interfaces of the host, found among the bindings that componentize-py makes of the component's world.

An interface's module has the interface's name, unless the world has two of that name: `wasi:http/types` is `types`, or
`wasi_http_types` beside another `types`. So both are looked for, the long one first. What the builder puts into the world is
decided by what the project imports, so the short name is never that of another package.

Outside of a component there are no bindings. The modules of this library can be imported there, so that what uses them can be
tested with something else in the place of the host (`wisp_guest.testing`).
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wisp_guest.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from componentize_py_types import Err
else:
    try:
        from componentize_py_types import Err
    except ModuleNotFoundError:

        class Err(Exception):  # noqa: N818 - componentize-py's name
            """What stands for it outside of components."""

            def __init__(self, value: object) -> None:
                super().__init__(value)
                self.value = value


__all__ = ["Err", "Interface", "Kept", "another_host", "call_by_long_names", "case", "is_ready", "ready"]

Handle = TypeVar("Handle")

BINDINGS = "wit_world.imports"


class _Life:
    """Where in its life a component is."""

    inside = Err.__module__ != __name__
    ready = False
    hosts = 0
    """How many hosts have come and gone: only tests have more than one."""


def ready() -> None:
    """Say that the component is built: from now on there is a host to ask."""
    _Life.ready = True


def is_ready() -> bool:
    """Whether there is a host to ask."""
    return _Life.ready


class Interface:
    """What an interface has, as attributes."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.bindings: Any = _find(interface)
        """What answers: the bindings, or what a test has put there."""

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401 - bindings are of any type
        if self.bindings is None:
            raise OutsideError(self._absent())
        if not _Life.ready and isinstance(self.bindings, ModuleType):
            message = (
                f"{self.interface} can be called when a request is served, not when the module is imported"
            )
            raise OutsideError(message)
        return getattr(self.bindings, attribute)

    def _absent(self) -> str:
        if not _Life.inside:
            return f"{self.interface} is the host's, and this is not the inside of a component; see wisp_guest.testing"
        return f"the component does not import {self.interface}: no module of the project imports the one of wisp_guest"


class Kept(Generic[Handle]):
    """A handle that is asked for when it is first used, so not while the component is built."""

    def __init__(self, ask: Callable[[], Handle]) -> None:
        self._ask = ask
        self._handle: Handle | None = None
        self._host = 0

    def get(self) -> Handle:
        """Return it; ask for it unless that was done before."""
        if self._handle is None or self._host != _Life.hosts:
            self._handle, self._host = self._ask(), _Life.hosts
        return self._handle

    def take(self) -> Handle | None:
        """Return it if it was asked for, to be given back."""
        handle, self._handle = self._handle, None
        return handle


def another_host() -> None:
    """Say that no handle is of use any more."""
    _Life.hosts += 1


def call_by_long_names(*interfaces: str) -> None:
    """Let interfaces that are always there be imported by their long names, whatever else the world has."""
    for interface in interfaces:
        if (found := _find(interface)) is not None:
            sys.modules[f"{BINDINGS}.{_names(interface)[0]}"] = found


def case(value: object) -> str:
    """Return the name that an interface gives to a case of a variant, or the text that is an error by itself."""
    if isinstance(value, str):
        return value
    last = type(value).__name__.rpartition("_")[2]
    return re.sub(r"(?<!^)(?=[A-Z])", "-", last).lower()


def _find(interface: str) -> ModuleType | None:
    for name in _names(interface):
        try:
            return importlib.import_module(f"{BINDINGS}.{name}")
        except ModuleNotFoundError:
            continue
    return None


def _names(interface: str) -> tuple[str, str]:
    namespace, package, last = re.split("[:/]", interface.replace("-", "_"))
    return f"{namespace}_{package}_{last}", last


call_by_long_names("wasi:http/types", "wasi:io/streams", "wasi:io/poll", "wasi:clocks/monotonic-clock")
