"""Letting somebody in no more: his keys are worth nothing at NATS, and his certificate nothing among hosts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from wisp.errors import LatticeError
from wisp.lattice.membership import claims
from wisp.lattice.membership.belonging import ACCOUNT, ADMITTED, SERVER
from wisp.lattice.membership.holding import Admitted
from wisp.lattice.nats.bucket import Conflict

if TYPE_CHECKING:
    from wisp.lattice.membership.admitting import Desk
    from wisp.lattice.membership.trust import Trust
    from wisp.lattice.state import State

ATTEMPTS = 10


async def revoke(lattice: State, desk: Desk, name: str) -> Admitted:
    """Revoke somebody, by name. Raises LatticeError, ArtifactError."""
    record = await _admitted(lattice, desk, name)
    for _ in range(ATTEMPTS):
        entry = await lattice.desired.get(ACCOUNT)
        known = await asyncio.to_thread(desk.holding.trust)
        if entry is not None:
            known = known.newer(entry.value.decode(errors="replace")) or known
        content = _without(desk, known, record).account.encode()
        try:
            await (
                lattice.desired.update(ACCOUNT, content, entry.revision)
                if entry
                else lattice.desired.create(ACCOUNT, content)
            )
        except Conflict:
            continue
        await lattice.desired.remove(f"{SERVER}.{name}")
        return record
    raise LatticeError("others revoke all the time", hint="try again")


def _without(desk: Desk, known: Trust, record: Admitted) -> Trust:
    now = int(time.time())
    before = known.known()
    keys = {claims.subject(text): now for text in record.claims}
    gone = before.gone | ({record.name} if record.role == "host" else set())
    return known.model_copy(
        update={"account": desk.authority.account_claims({**before.revoked, **keys}, gone)}
    )


async def _admitted(lattice: State, desk: Desk, name: str) -> Admitted:
    """Return what is known of somebody: what we wrote down ourselves, or what another host with the authority did."""
    known = await asyncio.to_thread(desk.holding.admitted)
    if (found := known.get(name)) is not None:
        return found
    entry = await lattice.desired.get(f"{ADMITTED}.{name}")
    if entry is None:
        message = f"the lattice {lattice.name} has let nobody in who is called {name}"
        raise LatticeError(message, hint="`wisp hosts` lists those that are there")
    record = Admitted.read(entry.value)
    record.require_genuine(name, desk.authority.account.public)
    return record
