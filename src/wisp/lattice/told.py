"""What workers are told of the NATS of their lattice, for the stores and messages of apps: the other side of `NatsSettings` in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject
    from wisp.lattice.joining import Address


def nats_settings(address: Address) -> JsonObject:
    """Return where a worker connects, and what it proves itself with."""
    parts = urlsplit(address.nats if "://" in address.nats else f"nats://{address.nats}")
    place = parts.netloc.rpartition("@")[2]
    settings: dict[str, object] = {
        "lattice": address.lattice,
        "servers": [f"{parts.scheme}://{place}"],
        "replicas": 1,
    }
    if parts.password is not None:
        settings.update(user=unquote(parts.username or ""), password=unquote(parts.password))
    elif parts.username:
        settings["token"] = unquote(parts.username)
    return settings
