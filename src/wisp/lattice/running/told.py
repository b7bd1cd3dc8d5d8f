"""What workers are told of the NATS of their lattice, for the stores and messages of apps: the other side of `NatsSettings` in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from wisp.lattice.membership.access import OPEN
from wisp.lattice.nats.connection import REPLICAS

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject
    from wisp.lattice.membership.access import Access
    from wisp.lattice.running.joining import Address


def nats_settings(address: Address, access: Access = OPEN) -> JsonObject:
    """Return where a worker connects, and what it proves itself with.

    Args:
        address: Where NATS is. Several servers are those of a cluster.
        access: What a worker has: less than its host, where the lattice has an authority.

    Raises:
        LatticeError: a file with credentials cannot be read.

    """
    urls = [urlsplit(url if "://" in url else f"nats://{url}") for url in address.nats.split(",")]
    scheme = "tls" if access.encrypted(address.nats) else urls[0].scheme
    settings: dict[str, object] = {
        "lattice": address.lattice,
        "servers": [f"{scheme}://{url.netloc.rpartition('@')[2]}" for url in urls],
        "replicas": REPLICAS if len(urls) > 1 else 1,
    }
    if urls[0].password is not None:
        settings.update(user=unquote(urls[0].username or ""), password=unquote(urls[0].password))
    elif urls[0].username:
        settings["token"] = unquote(urls[0].username)
    return {**settings, **access.told()}
