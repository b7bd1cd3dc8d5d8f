"""The listening sockets: one per slot, opened and kept by the supervisor.

All of them are bound to one port with `SO_REUSEPORT`, so that the kernel spreads new connections over the workers.
The option has a trap: a second supervisor that sets it too would share our port by accident, and each would get half
of the other's requests. So the port is first *claimed*: a socket is bound to it without the option, which fails when
anybody else has the port. The option is set on the claim afterwards, which lets our own sockets in, and the claim
stays open for as long as we serve, so that the port remains ours while every slot is closed.

`SO_REUSEADDR` is needed for the claim, or a restart would have to wait for the last connections of the run before to
leave TIME_WAIT. But while every socket of a port has it, the kernel would also let in another one that has it too and
does not listen *yet*: the claim of another supervisor, while we build our app. One socket that is bound without it
ends that leniency for the whole port, so the sockets of the slots are, unless connections of another program are in
their way.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Self

from wisp.errors import HostError
from wisp.host import owners
from wisp.host.address import Address

BACKLOG = 4096
"""Connections that may wait in one slot; the kernel cuts it to `net.core.somaxconn`."""


class Listeners:
    """The sockets of all slots, on one address."""

    def __init__(self, address: Address, count: int) -> None:
        """Claim the address and bind `count` sockets to it; none listens yet. Raises HostError."""
        self._family, where = address.resolve()
        self._claim = _claim(address, self._family, where)
        port = self._claim.getsockname()[1]
        self.address = Address(address.host, port)
        self._where = (where[0], port)
        self._sockets: list[socket.socket | None] = [None] * count
        try:
            for slot in range(count):
                self.open(slot)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, slot: int) -> socket.socket:
        """Return the slot's socket, bound anew when it was shut. It gets no connection before `listen`."""
        existing = self._sockets[slot]
        if existing is not None:
            return existing
        try:
            opened = _bound(self._family, self._where)
        except OSError as error:
            raise _refused(self.address, self._family, error) from error
        self._sockets[slot] = opened
        return opened

    def listen(self, slot: int) -> None:
        """Let connections in. Called just before the slot's worker is told to start."""
        try:
            self.open(slot).listen(BACKLOG)
        except OSError as error:
            raise _refused(self.address, self._family, error) from error

    def shut(self, slot: int) -> bool:
        """Close the slot's socket, so that new connections go to the others. Returns False when it was closed."""
        existing, self._sockets[slot] = self._sockets[slot], None
        if existing is None:
            return False
        existing.close()
        return True

    def close(self) -> None:
        """Close every socket and give the port back."""
        for slot in range(len(self._sockets)):
            self.shut(slot)
        self._claim.close()


def _socket(family: socket.AddressFamily) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    if family == socket.AF_INET6:
        # "[::]" means every interface, of IPv4 too, whatever the system's default is.
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return opened


def _claim(address: Address, family: socket.AddressFamily, where: tuple[str, int]) -> socket.socket:
    claim = _socket(family)
    try:
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claim.bind(where)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        claim.close()
        raise _refused(address, family, error) from error
    return claim


def _bound(family: socket.AddressFamily, where: tuple[str, int], *, reuse: bool = False) -> socket.socket:
    """Bind one more socket to a port that we have claimed."""
    opened = _socket(family)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        opened.bind(where)
        # For the connections: what is left of them in TIME_WAIT shall not stand in the way of the next claim.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE and not reuse:
            return _bound(family, where, reuse=True)
        raise
    return opened


def _refused(address: Address, family: socket.AddressFamily, error: OSError) -> HostError:
    hint = None
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno == errno.EADDRINUSE:
        owner = owners.of_port(address.port, ipv6=family == socket.AF_INET6)
        reason = f"the port is in use by {owner}" if owner else "the port is in use by another process"
        hint = "stop it, or choose another port with --listen HOST:PORT (port 0 takes a free one)"
    elif error.errno == errno.EACCES:
        hint = "ports below 1024 need a privilege; choose a higher one with --listen HOST:PORT"
    elif error.errno == errno.EADDRNOTAVAIL:
        reason = f"this machine has no address {address.host}"
    return HostError(
        f"cannot listen on {address}: {reason}", hint=hint, address=str(address), kind="listener"
    )
