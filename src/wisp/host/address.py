"""Where a listener is: a host and a port, as people write them."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

from wisp.errors import HostError

HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (every interface) or `PORT` (loopback)."""
        host, colon, port = text.strip().rpartition(":")
        if not (port.isascii() and port.isdecimal() and int(port) <= HIGHEST_PORT):
            message = f"{text!r} is not an address: the part after the last colon must be a port, 0 to 65535"
            raise HostError(message, hint="write HOST:PORT, for example 127.0.0.1:3000", address=text)
        if not colon:
            host = "127.0.0.1"
        elif host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            message = f"{text!r} is not an address: an IPv6 host goes into brackets"
            raise HostError(message, hint=f"write [{host}]:{port}", address=text)
        return cls(host or "0.0.0.0", int(port))  # noqa: S104 - an empty host is how one asks for every interface

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> str:
        """The address that a client on this machine uses: loopback where we listen on every interface."""
        stand_in = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return str(Address(stand_in, self.port))

    def resolve(self) -> tuple[socket.AddressFamily, tuple[str, int]]:
        """Return the family and the numeric address to bind; raises HostError for an unknown host."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            message = f"cannot listen on {self}: the host {self.host!r} is not known ({error})"
            raise HostError(message, address=str(self)) from error
        family, _, _, _, where = found[0]
        return family, (str(where[0]), int(where[1]))
