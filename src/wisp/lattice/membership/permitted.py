"""What who belongs to a lattice may do at its NATS. The account has nothing but this lattice; here is what is kept from whom in it.

Hosts plan, so they write assignments and what apps are to be. What they may not do is decide who belongs to the lattice, remove its
data, or give out certificates. Workers, which run what others have written, see nothing of the lattice's own state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.lattice.membership.claims import Permissions
from wisp.lattice.state import bucket_name

if TYPE_CHECKING:
    from wisp.lattice.membership.invitations import Role

_REMOVING = ("DELETE", "PURGE", "UPDATE", "RESTORE", "SNAPSHOT", "MSG.DELETE")

_ASKED = ("rotate", "keys", "blob", "have")


def of(lattice: str, role: Role, *, authority: bool) -> tuple[Permissions, ...]:
    """Return what is not permitted, in the order of the keys: for an operator, or for a host and for its workers."""
    if role == "operator":
        return (Permissions(),)
    return (_host(lattice, authority=authority), _worker(lattice))


def _host(lattice: str, *, authority: bool) -> Permissions:
    bucket = bucket_name(lattice)
    removing = tuple(
        f"$JS.API.STREAM.{verb}.{stream}"
        for verb in _REMOVING
        for stream in (f"KV_{bucket}", f"KV_{bucket}-live", f"OBJ_{bucket}")
    )
    if authority:
        return Permissions(deny_publish=removing)
    own = (f"$KV.{bucket}.admitted.>", f"$KV.{bucket}.account", f"wisp.{lattice}.rotate.>")
    return Permissions(deny_publish=(*own, *removing), deny_subscribe=(f"wisp.{lattice}.renew",))


def _worker(lattice: str) -> Permissions:
    bucket = bucket_name(lattice)
    data = (f"$KV.{bucket}.>", f"$KV.{bucket}-live.>", f"$O.{bucket}.>", *_between_hosts(lattice))
    asking = tuple(
        f"$JS.API.{between}.{stream}{rest}"
        for between in ("*.*", "*.*.*")
        for stream in (f"KV_{bucket}", f"KV_{bucket}-live", f"OBJ_{bucket}")
        for rest in ("", ".>")
    )
    return Permissions(deny_publish=(*data, *asking), deny_subscribe=data)


def _between_hosts(lattice: str) -> tuple[str, ...]:
    """Return what hosts ask each other; stores and messages of apps have more words."""
    return (f"wisp.{lattice}.renew", *(f"wisp.{lattice}.{what}.*" for what in _ASKED))
