"""The configuration of the embedded NATS, as text. JSON strings are strings of its language too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wisp.lattice.membership.identity import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.host.address import Address
    from wisp.lattice.membership.trust import Trust

ROUTES_USER: Final = "wisp"

LARGEST_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes; a value of a store is one message."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The servers that keep the same data."""

    name: str
    listen: Address
    """Where the others of them connect."""

    others: tuple[str, ...]
    """`HOST:PORT` where those listen."""

    secret: str = field(repr=False)
    """What they prove themselves with to each other, beside their certificates: any host has one of those."""


@dataclass(frozen=True, slots=True)
class Secured:
    """How a server of a lattice knows who connects, and shows who it is."""

    host: str
    identity: Path
    """The folder with the certificate of its host."""

    trust: Trust
    cluster: Cluster | None = None
    advertise: str | None = None
    """`HOST:PORT` where clients reach it, if that is not where it listens."""


def configuration(folder: Path, address: Address, guard: Secured | str) -> str:
    """Return the configuration of a server that keeps its data in this folder, and lets in whom `guard` says, or who has that token."""
    lines = [
        f"host: {json.dumps(address.host)}",
        f"port: {address.port or -1}",
        f"max_payload: {LARGEST_MESSAGE}",
    ]
    if isinstance(guard, str):
        lines.append(f"authorization {{ token: {json.dumps(guard)} }}")
    else:
        lines += _secured(guard)
    lines.append(f"jetstream {{ store_dir: {json.dumps(str(folder / 'jetstream'))} }}")
    return "\n".join(lines) + "\n"


def _secured(guard: Secured) -> list[str]:
    accounts = ", ".join(f"{public}: {json.dumps(text)}" for public, text in guard.trust.accounts().items())
    lines = [
        f"server_name: {json.dumps(guard.host)}",
        # After that the server speaks in the clear, for clients that wait for its word. Our own speak TLS at once; on a busy machine, at once is late.
        f'tls {{ {_files(guard.identity)}, handshake_first: "1s" }}',
        f"operator: {json.dumps(guard.trust.operator)}",
        "resolver: MEMORY",
        f"resolver_preload: {{ {accounts} }}",
    ]
    if guard.advertise:
        lines.append(f"client_advertise: {json.dumps(guard.advertise)}")
    if guard.cluster:
        lines += _clustered(guard.cluster, guard.identity)
    return lines


def _clustered(cluster: Cluster, identity: Path) -> list[str]:
    known = f"{ROUTES_USER}:{cluster.secret}"
    routes = ", ".join(json.dumps(f"tls://{known}@{other}") for other in cluster.others)
    return [
        "cluster {",
        f"  name: {json.dumps(cluster.name)}",
        f"  listen: {json.dumps(str(cluster.listen))}",
        f"  authorization {{ user: {ROUTES_USER}, password: {json.dumps(cluster.secret)} }}",
        # Each is both ends of its connections, and shows its certificate on both.
        f"  tls {{ {_files(identity)}, verify: true }}",
        f"  routes: [{routes}]",
        # A way that was cut off is made anew soon after it is there again. Otherwise the old connection is waited for, which tries less and less often.
        '  ping_interval: "2s"',
        "  ping_max: 2",
        "}",
    ]


def _files(identity: Path) -> str:
    named = {"cert_file": CERTIFICATE_FILE, "key_file": KEY_FILE, "ca_file": AUTHORITY_FILE}
    return ", ".join(f"{word}: {json.dumps(str(identity / file))}" for word, file in named.items())
