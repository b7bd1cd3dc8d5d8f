"""Where workers let others in: clients, and in a lattice the other hosts too. Each slot has a socket for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.host.sockets import Listeners

if TYPE_CHECKING:
    import socket

    from wisp.host.settings import HostSettings


@dataclass(frozen=True, slots=True)
class Opened:
    """The sockets of one slot."""

    clients: socket.socket
    hosts: socket.socket | None = None


class Doors:
    """The sockets of all slots."""

    def __init__(self, settings: HostSettings) -> None:
        """Claim the addresses. Raises HostError."""
        self.clients = Listeners(settings.address, settings.workers)
        try:
            self.hosts = Listeners(settings.hosts, settings.workers) if settings.hosts else None
        except BaseException:
            self.clients.close()
            raise

    def open(self, slot: int) -> Opened:
        """Return the slot's sockets, bound anew when they were shut. Raises HostError."""
        return Opened(self.clients.open(slot), self.hosts.open(slot) if self.hosts else None)

    def listen(self, slot: int) -> None:
        """Let connections in. Raises HostError."""
        self.clients.listen(slot)
        if self.hosts:
            self.hosts.listen(slot)

    def shut(self, slot: int) -> bool:
        """Close the slot's sockets, so that new connections go to the others. Returns False when they were closed."""
        if self.hosts:
            self.hosts.shut(slot)
        return self.clients.shut(slot)

    def close(self) -> None:
        """Close every socket and give the ports back."""
        self.clients.close()
        if self.hosts:
            self.hosts.close()
