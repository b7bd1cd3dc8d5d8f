"""What a host has as a member of its lattice, all in one folder: its identity, credentials for NATS, whom it believes, where NATS is.

ca.pem host.pem host.key   its identity (`wisp.lattice.membership.identity`)
nats.creds                 what it proves itself with at NATS
worker.creds               what its workers do: they see nothing of the lattice's own state
trust.json                 what the lattice's authority has signed (`wisp.lattice.membership.trust`)
known.json                 where NATS is, and the lattice's name
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.lattice.membership import claims, trust
from wisp.lattice.membership.access import Access
from wisp.lattice.membership.admitting import Applied
from wisp.lattice.membership.identity import AUTHORITY_FILE, HostIdentity
from wisp.lattice.membership.nkeys import KeyPair
from wisp.lattice.records import Name, Record
from wisp.registry import files

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.lattice.membership.admitting import Welcome
    from wisp.lattice.membership.certificates import Facts
    from wisp.lattice.membership.trust import Trust

CREDENTIALS_FILE: Final = "nats.creds"
WORKER_CREDENTIALS_FILE: Final = "worker.creds"


class Known(Record):
    """What changes while a host belongs to a lattice, and it must know to find back."""

    lattice: Name
    servers: tuple[str, ...] = ()
    """URLs of NATS; none when it is not the lattice's own."""

    own: str | None = None
    """The URL of the one on this host."""

    routes: tuple[str, ...] = ()
    """`HOST:PORT` where servers of the cluster take each other's connections."""

    routes_secret: str | None = None
    """Of a host that may run one of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the NATS server of a host is to be, as its certificate and the others must know."""

    addresses: tuple[str, ...]
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Papers:
    """The papers of one host."""

    folder: Path
    host: str

    @property
    def identity(self) -> HostIdentity:
        """Its certificate and key."""
        return HostIdentity(self.folder)

    @property
    def exist(self) -> bool:
        """Whether it has joined."""
        return (self.folder / "known.json").exists()

    def apply(self, lattice: str, place: Place | None) -> tuple[Applied, tuple[KeyPair, ...]]:
        """Make keys, and return what is said to join, and the keys. Raises ArtifactError."""
        pairs = (KeyPair.make("user"), KeyPair.make("user"))
        addresses = place.addresses if place else ()
        applied = Applied(
            name=self.host,
            keys=tuple(pair.public for pair in pairs),
            request=self.identity.request(self.host, lattice, addresses).decode(),
            nats=place is not None,
            addresses=addresses,
            route=place.route if place else None,
        )
        return applied, pairs

    def settle(self, lattice: str, welcome: Welcome, pairs: tuple[KeyPair, ...]) -> None:
        """Keep what was given. Raises LatticeError, ArtifactError."""
        self.identity.keep(welcome.certificate.encode(), welcome.authority.encode())
        for name, text, pair in zip(
            (CREDENTIALS_FILE, WORKER_CREDENTIALS_FILE), welcome.claims, pairs, strict=True
        ):
            files.write(self.folder / name, claims.credentials(text, pair.seed))
        trust.keep(self.folder, welcome.trust)
        # The last: whoever has this has all of it.
        self.keep_known(
            Known(
                lattice=lattice,
                servers=welcome.servers,
                routes=welcome.routes,
                routes_secret=welcome.routes_secret,
            )
        )

    def known(self) -> Known | None:
        """Return what it knows of its lattice; None when it has not joined. Raises LatticeError."""
        with contextlib.suppress(FileNotFoundError):
            return Known.read((self.folder / "known.json").read_bytes())
        return None

    def keep_known(self, known: Known) -> None:
        """Know this from now on. Raises ArtifactError."""
        files.write(self.folder / "known.json", known.to_bytes())

    def trust(self) -> Trust | None:
        """Return what it believes. Raises LatticeError."""
        return trust.read(self.folder)

    def facts(self) -> Facts | None:
        """Return what its certificate says. Raises LatticeError."""
        return self.identity.facts()

    @property
    def access(self) -> Access:
        """How it proves itself at the lattice's own NATS."""
        return Access(
            credentials=self.folder / CREDENTIALS_FILE, ca=self.folder / AUTHORITY_FILE, tls_first=True
        )

    @property
    def worker_access(self) -> Access:
        """How its workers do."""
        return self.access.with_credentials(self.folder / WORKER_CREDENTIALS_FILE)
