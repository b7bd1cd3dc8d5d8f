"""The configuration of an app in a lattice: values and secrets that were set there, in versions.

A version is one object, named by its digest; the record of the app names the one that is in force. So a change is one compare-and-set, and what
an app was configured with is in its history. Values of secrets are in it encrypted; the keys are sealed to hosts one by one, beside it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from wisp.errors import LatticeError
from wisp.lattice.records import AppName, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.host.settings import JsonObject


class Secret(Record):
    """A version of one secret."""

    id: str
    """Made anew with each value; the key to it is known by this."""

    value: str
    """Encrypted, in base 64."""

    at: int
    """When it was set, in milliseconds."""

    @property
    def encrypted(self) -> bytes:
        """The encrypted value."""
        return base64.b64decode(self.value)


class Configuration(Record):
    """One version of the configuration of an app."""

    app: AppName
    version: int = Field(ge=0)
    """Counts the changes; 0 is what was never configured."""

    at: int
    """When it was made, in milliseconds."""

    change: str
    """What was changed with it, in words that have no value in them."""

    values: dict[str, str] = Field(default_factory=dict)
    """By key, for every component that has the key."""

    components: dict[str, dict[str, str]] = Field(default_factory=dict)
    """The same for one component, by its name: these go before."""

    secrets: dict[str, Secret] = Field(default_factory=dict)
    """By name."""

    def value(self, component: str, key: str) -> str | None:
        """Return what was set for a key of a component."""
        return self.components.get(component, {}).get(key, self.values.get(key))


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration with its secrets open: what one host serves an app with."""

    configuration: Configuration | None
    secrets: Mapping[str, str]

    def apply(self, locked: Mapping[str, Any]) -> JsonObject:
        """Return a locked app with what was set in the lattice in place of what its manifest says.

        Only keys that the manifest has: it says what a component may read. A key that is a secret there stays one.
        """
        if self.configuration is None:
            return locked
        return {
            **locked,
            "components": {
                name: {**component, "grants": self._grants(name, component["grants"])}
                for name, component in locked["components"].items()
            },
        }

    def _grants(self, component: str, grants: Mapping[str, Any]) -> JsonObject:
        return {
            **grants,
            "config": {key: self._value(component, key, given) for key, given in grants["config"].items()},
        }

    def _value(self, component: str, key: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self.configuration.value(component, key) if self.configuration else None
        if found is None or given["secret"]:
            return given
        return {**given, "value": found, "template": None}


UNCONFIGURED = Configured(None, {})


def key_for(app: str, secret: str, host: str) -> str:
    """Return where the key to a secret lies, sealed to one host."""
    return f"sealed.{app}.{secret}.{host}"


def about_value(app: str, name: str, secret: str) -> str:
    """Return what the encryption of a secret's value is bound to."""
    return f"wisp secret {app}/{secret}/{name}"


def about_key(app: str, secret: str, host: str) -> str:
    """Return what the seal on the key to a secret is bound to."""
    return f"wisp key {app}/{secret} for {host}"


class Sealed(Record):
    """The key to a secret, sealed to one host."""

    host: str
    public: str
    """The key of the host that it was sealed to."""

    key: str
    """In base 64."""

    @property
    def content(self) -> bytes:
        """What was sealed. Raises LatticeError."""
        try:
            return base64.b64decode(self.key, validate=True)
        except ValueError as error:
            raise LatticeError("a sealed key is none") from error
