"""Letting somebody into a lattice: a certificate, claims that NATS believes, and what he has to know.

Whoever joins makes his keys himself; what is sent here are their public halves. The same is done for a machine that asks over the
network with an invitation, and for the first host, which has the authority itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wisp.errors import LatticeError
from wisp.lattice.membership import certificates, claims, permitted
from wisp.lattice.membership.certificates import Wanted
from wisp.lattice.membership.holding import Admitted
from wisp.lattice.membership.invitations import Role
from wisp.lattice.membership.trust import Trust
from wisp.lattice.records import Name, Record

if TYPE_CHECKING:
    from datetime import timedelta

    from wisp.lattice.membership.authority import Authority
    from wisp.lattice.membership.holding import Holding
    from wisp.lattice.membership.invitations import Promise


class Applied(Record):
    """What somebody says who wants to join."""

    name: Name
    role: Role = "host"
    keys: tuple[str, ...]
    """Public nkeys: of an operator one, of a host its own and the one of its workers."""

    request: str = ""
    """For a certificate, of a host."""

    nats: bool = False
    addresses: tuple[str, ...] = ()
    """Where clients will reach its NATS, without ports."""

    route: str | None = None


class Welcome(Record):
    """What he is given."""

    claims: tuple[str, ...]
    """One for each key."""

    certificate: str = ""
    authority: str
    """The certificate of the authority."""

    trust: Trust
    servers: tuple[str, ...]
    """URLs of NATS."""

    routes: tuple[str, ...] = ()
    """`HOST:PORT` of the other servers of the cluster."""

    routes_secret: str | None = None
    sealed: str | None = None
    """The authority, for a host that is named for it."""

    identity: str | None = None
    """What tells the lattice from another one of its name: a host that knows it founds none in its place when NATS has lost its data."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a lattice is joined: its authority, and what is known of it now."""

    authority: Authority = field(repr=False)
    holding: Holding
    lifetime: timedelta = certificates.LIFETIME
    """Of certificates."""

    def require(self, asked: Applied, promise: Promise, trust: Trust) -> None:
        """Refuse what was not promised, or cannot be. Raises LatticeError."""
        if asked.role != promise.role:
            message = f"the invitation is for {_WHO[promise.role]}, not for {_WHO[asked.role]}"
            raise LatticeError(message)
        if promise.name not in {None, asked.name}:
            message = f"the invitation is for a host with the name {promise.name}, not {asked.name}"
            raise LatticeError(message, hint=f"--name {promise.name}")
        if asked.nats and not promise.nats:
            message = "the invitation is for a host without a NATS server of the lattice"
            raise LatticeError(
                message, hint="`wisp lattice invite --nats-server` makes one for a host with it"
            )
        if asked.name in self.holding.admitted() or asked.name in trust.known().gone:
            message = f"the lattice has, or had, somebody who is called {asked.name}"
            raise LatticeError(message, hint="choose another --name; a name is not given twice")
        self._require_shape(asked)

    def admit(self, asked: Applied, promise: Promise, known: Welcome) -> Welcome:
        """Let somebody in; `known` has what there is to know besides. Raises LatticeError, ArtifactError."""
        authority = self.authority
        made = tuple(
            claims.user(authority.account, key, f"{asked.role} {asked.name}", permissions)
            for key, permissions in zip(
                asked.keys,
                permitted.of(authority.lattice, asked.role, authority=promise.authority),
                strict=False,
            )
        )
        certificate = b""
        if asked.role == "host":
            addresses = asked.addresses if promise.nats else ()
            wanted = Wanted(asked.name, authority.lattice, addresses, self.lifetime)
            certificate = authority.issue(asked.request.encode(), wanted)
        self.holding.admit(
            Admitted(
                name=asked.name,
                role=asked.role,
                claims=made,
                nats=promise.nats,
                addresses=asked.addresses if promise.nats else (),
                authority=promise.authority,
                route=asked.route if promise.nats else None,
            )
        )
        update = {
            "claims": made,
            "certificate": certificate.decode(),
            "routes_secret": authority.routes if promise.nats else None,
            "sealed": self.holding.sealed().decode() if promise.authority else None,
        }
        return known.model_copy(update=update)

    def _require_shape(self, asked: Applied) -> None:
        certificates.require_addresses(asked.addresses)
        expected = 2 if asked.role == "host" else 1
        if len(asked.keys) != expected:
            raise LatticeError(
                "what asks to join does not say its keys", hint="is it another version of wisp?"
            )
        if asked.role == "host":
            certificates.read_request(asked.request.encode())


_WHO = {"host": "a host", "operator": "an operator's machine"}
