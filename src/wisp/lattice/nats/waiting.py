"""How many messages of an app wait to be taken, by group: what the consumers of its queue say.

Their names are given by `messaging/lanes.rs` of the core: the group, and for a group that wants order a number behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nats.js.errors

from wisp.lattice.nats.connection import explained

if TYPE_CHECKING:
    from wisp.lattice.nats.connection import Connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one group."""

    group: str
    subject: str
    waiting: int
    """Messages that nobody has acknowledged yet."""


async def waiting(connection: Connection, lattice: str, app: str) -> list[Waiting]:
    """Return what waits for each group of an app; nothing for an app that has never taken messages. Raises LatticeError."""
    with explained():
        try:
            consumers = await connection.jetstream.consumers_info(f"wisp_{lattice}_{app}_queue")
        except nats.js.errors.NotFoundError:
            return []
    found: dict[str, Waiting] = {}
    for info in consumers:
        group = info.name.partition("_")[0]
        # wisp.LATTICE.APP.queue.NUMBER and then the subject.
        subject = (info.config.filter_subject or "").split(".", 5)[-1]
        before = found[group].waiting if group in found else 0
        found[group] = Waiting(group, subject, before + (info.num_pending or 0) + (info.num_ack_pending or 0))
    return sorted(found.values(), key=lambda one: one.group)
