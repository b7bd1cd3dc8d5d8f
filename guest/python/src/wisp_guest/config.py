"""The component's configuration: `wasi:config`.

    from wisp_guest import config

    config.get("greeting", "hello")
    config.require("token")

The manifest gives the values: `grants = { config = { greeting = "hi", token = { secret = "API_TOKEN" } } }`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from wisp_guest import _host
from wisp_guest._host import Err
from wisp_guest.errors import CapabilityError, NotGrantedError

if TYPE_CHECKING:
    from wit_world.imports import wasi_config_store as values
else:
    values = _host.Interface("wasi:config/store")

__all__ = ["ConfigError", "MissingError", "all", "get", "require"]

Default = TypeVar("Default")


class ConfigError(CapabilityError):
    """The configuration could not be read."""


class MissingError(ConfigError, NotGrantedError):
    """The manifest gives no value of that name."""


@overload
def get(key: str) -> str | None: ...
@overload
def get(key: str, default: Default) -> str | Default: ...
def get(key: str, default: object = None) -> object:
    """Return a value, or the default when the manifest gives none."""
    try:
        value = values.get(key)
    except Err as error:
        raise _error(error.value) from None
    return default if value is None else value


def require(key: str) -> str:
    """Return a value.

    Raises:
        MissingError: the manifest gives none.

    """
    if (value := get(key)) is None:
        message = f"the configuration has no {key!r}: grants.config gives it in the manifest"
        raise MissingError(message)
    return value


def all() -> dict[str, str]:  # noqa: A001 - it is what it returns
    """Return all values by their keys."""
    try:
        return dict(values.get_all())
    except Err as error:
        raise _error(error.value) from None


def _error(value: object) -> ConfigError:
    return ConfigError(f"{_host.case(value)}: {getattr(value, 'value', '')}")
