"""What a NATS server of a lattice believes: claims of the lattice's authority, and nothing that anybody else writes.

The claims of the account are the only part that changes. They say who is let in no more: by key for NATS, and by name for hosts
among themselves. Newer ones are taken from wherever they come, because only the authority can sign them; those that would let somebody in
again are older ones, and are not.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import claims
from wisp.lattice.records import Record
from wisp.registry import files

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.lattice.membership.authority import Authority
    from wisp.lattice.membership.claims import Account

FILE: Final = "trust.json"


class Trust(Record):
    """Claims, in NATS's own form."""

    operator: str
    system: str
    account: str

    @classmethod
    def of(cls, authority: Authority) -> Trust:
        """Return what an authority has to say before anybody was revoked."""
        return cls(
            operator=authority.operator_claims(),
            system=authority.system_claims(),
            account=authority.account_claims({}, ()),
        )

    def known(self) -> Account:
        """Return what the claims of the account say. Raises LatticeError."""
        return claims.read_account(self.account, claims.subject(self.operator))

    def accounts(self) -> dict[str, str]:
        """Return the claims of accounts by their public keys."""
        return {claims.subject(text): text for text in (self.account, self.system)}

    def newer(self, account: str) -> Trust | None:
        """Return the same with other claims of the account, when they are newer and genuine."""
        with contextlib.suppress(LatticeError):
            found, known = claims.read_account(account, claims.subject(self.operator)), self.known()
            # Who was revoked stays so, whatever the clock of the host was that has signed.
            more = found.revoked.keys() >= known.revoked.keys() and found.gone >= known.gone
            if found.public == known.public and more and account != self.account:
                return self.model_copy(update={"account": account}) if _later(found, known) else None
        return None


def _later(found: Account, known: Account) -> bool:
    size = len(found.revoked) + len(found.gone), len(known.revoked) + len(known.gone)
    return size[0] > size[1] or found.issued > known.issued


def merged(authority: Authority, one: Trust, other: str) -> Trust:
    """Return claims that revoke whom either revokes. Raises LatticeError."""
    mine, theirs = one.known(), claims.read_account(other, claims.subject(one.operator))
    revoked = {**theirs.revoked, **mine.revoked}
    return one.model_copy(update={"account": authority.account_claims(revoked, mine.gone | theirs.gone)})


def read(folder: Path) -> Trust | None:
    """Return what is believed, as it lies in a folder; None when there is nothing. Raises LatticeError."""
    try:
        return Trust.read((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None


def keep(folder: Path, trust: Trust) -> None:
    """Believe this from now on. Raises ArtifactError."""
    files.write(folder / FILE, trust.to_bytes())
