"""What a host with the lattice's authority does for itself: the first one founds the lattice, and none of them waits for another.

A lattice from the time when its NATS asked for a token is taken over: the data that lay in the account without a name become those of
the lattice's account. So do those of an account whose authority is gone, when another one is made in its place.
"""

from __future__ import annotations

import contextlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import claims, renewal
from wisp.lattice.membership.admitting import Applied, Desk, Welcome
from wisp.lattice.membership.certificates import Wanted
from wisp.lattice.membership.invitations import Promise
from wisp.lattice.membership.nkeys import KeyPair
from wisp.registry import files

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from wisp.lattice.membership.holding import Holding
    from wisp.lattice.membership.papers import Papers, Place

NAMELESS: Final = "$G"
"""The account of whoever is in none."""

OPERATOR_FILE: Final = "operator.creds"
AUTHORITY_FILE: Final = "ca.pem"


def desk(holding: Holding, lattice: str, lifetime: timedelta) -> Desk:
    """Return where the lattice is joined, which is made when there is none yet. Raises LatticeError, ArtifactError."""
    authority = holding.open() if holding.exists else holding.make(lattice)
    if authority.lattice != lattice:
        message = f"the authority in {holding.folder} is that of the lattice {authority.lattice}"
        raise LatticeError(message)
    return Desk(authority, holding, lifetime)


def give_papers(at: Desk, papers: Papers, place: Place | None, servers: tuple[str, ...]) -> None:
    """See to it that a host on this machine belongs to the lattice, with a certificate that fits. Raises LatticeError, ArtifactError."""
    lattice = at.authority.lattice
    addresses = place.addresses if place else ()
    if not papers.exist:
        applied, pairs = papers.apply(lattice, place)
        promise = Promise(digest="", expires=0, nats=place is not None, authority=True)
        at.require(applied, promise, at.holding.trust())
        papers.settle(lattice, at.admit(applied, promise, known(at, servers)), pairs)
        return
    facts = papers.facts()
    now = datetime.now(UTC)
    if (
        facts is None
        or set(facts.addresses) != set(addresses)
        or renewal.due(facts, now).total_seconds() <= 0
    ):
        request = papers.identity.request(papers.host, lattice, addresses)
        certificate = at.authority.issue(request, Wanted(papers.host, lattice, addresses, at.lifetime))
        papers.identity.keep(certificate, at.authority.certificate)


def give_operator(at: Desk, folder: Path) -> Path:
    """See to it that commands on this machine are let in, and return what they prove themselves with. Raises ArtifactError."""
    file = folder / OPERATOR_FILE
    files.write(folder / AUTHORITY_FILE, at.authority.certificate, mode=0o644)
    if not file.exists():
        pair = KeyPair.make("user")
        applied = operator(pair)
        promise = Promise(digest="", expires=0, role="operator")
        [made] = at.admit(applied, promise, known(at, ())).claims
        files.write(file, claims.credentials(made, pair.seed))
    return file


def operator(pair: KeyPair) -> Applied:
    """Return what is said for commands of a machine to be let in."""
    return Applied(name=f"operator-{secrets.token_hex(4)}", role="operator", keys=(pair.public,))


def known(at: Desk, servers: tuple[str, ...], routes: tuple[str, ...] = ()) -> Welcome:
    """Return what everybody is told who is let in."""
    return Welcome(
        claims=(),
        authority=at.authority.certificate.decode(),
        trust=at.holding.trust(),
        servers=servers,
        routes=routes,
    )


def take_over(folder: Path, account: str) -> bool:
    """Make the data of an earlier NATS those of an account, and return whether there were any. Raises LatticeError.

    The earlier one asked for a token, or belonged to an authority that this one takes the place of. A server of a cluster keeps what it knows of data elsewhere
    too, so it is left alone.
    """
    token, data = folder / "token", folder / "jetstream" / "jetstream"
    before = data / NAMELESS if token.exists() else _of_another(data, account)
    if before is None:
        return False
    try:
        if before.exists():
            before.rename(data / account)
        token.unlink(missing_ok=True)
    except OSError as error:
        message = f"the data of the lattice in {folder} could not be taken over: {error.strerror}"
        raise LatticeError(message) from error
    # What it has told workers and commands is worth nothing any more.
    with contextlib.suppress(OSError):
        (folder / "nats.conf").unlink()
    return True


def _of_another(data: Path, account: str) -> Path | None:
    """Return where the data of another account are, when there is one account only and it is not this one."""
    try:
        found = [one for one in data.iterdir() if one.is_dir()]
    except OSError:
        return None
    # A server of a cluster has more than one, or none with streams yet.
    if len(found) != 1 or found[0].name == account or not (found[0] / "streams").is_dir():
        return None
    return found[0]
