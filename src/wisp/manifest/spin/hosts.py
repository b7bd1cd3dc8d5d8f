"""The grammar of `allowed_outbound_hosts`, and what it says in our grants.

An entry is `scheme://host[:port]`. The scheme is a word or `*`. The host is a name, `*.suffix` (all names below, not itself), `*`,
an address, a network, or `self`: the application's own routes. The port is a number, a range `a..b` without its end, `*`, or
left out where the scheme has one of its own. A slash at the end is passed over; there is no path.

Spin checks names, and lets them lead to any address. So our grants of names say `private`, unless private networks are blocked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, Literal, TypeAlias

from wisp.manifest.hosts import parse_host

HostKind: TypeAlias = Literal["any", "self", "suffix", "name", "network"]

CHAINED: Final = "spin.internal"
"""Components of the application are names below this one."""

OWN_APP: Final = "http://self.alt"
"""The grant of requests to the application's own routes."""

ALLOW_ALL: Final = "insecure:allow-all"
_PORTS: Final = {"postgres": 5432, "mysql": 3306, "redis": 6379, "mqtt": 1883, "http": 80, "https": 443}
_HTTP: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535
_FORM: Final = "the form is scheme://host[:port], with `*` for any of them, such as https://api.example.com"


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry."""

    scheme: str
    """A word, or `*`."""

    kind: HostKind
    host: str
    """In lower case: the name, what comes after `*.`, the network, `*`, or `self`."""

    ports: tuple[int, int]
    """The first and the last; the last is lower where the range is empty."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of HTTP that it allows."""
        return tuple(scheme for scheme in _HTTP if self.scheme in {"*", scheme})

    @property
    def chained(self) -> str | None:
        """The component that it lets requests go to, `*` for all; None if it speaks about something else."""
        if not self.schemes:
            return None
        if self.kind == "any" or (self.kind == "suffix" and self.host == CHAINED):
            first, last = self.ports
            own = any(first <= _HTTP[scheme] <= last for scheme in self.schemes)
            return "*" if self.kind == "suffix" or own else None
        if self.kind == "name" and self.host.endswith(f".{CHAINED}"):
            return self.host.removesuffix(f".{CHAINED}")
        return None


@dataclass(slots=True)
class Granted:
    """What entries say in our words."""

    http: list[Any] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    routes: bool = False
    chained: list[str] = field(default_factory=list)
    """Names of components, `*` for all."""

    notes: list[tuple[int, str]] = field(default_factory=list)
    """By the number of the entry."""


def parse(text: str) -> AllowedHost:
    """Read one entry; a `ValueError` says what is wrong with it."""
    entry = text.strip()
    if entry == ALLOW_ALL:
        message = f'"{ALLOW_ALL}" is not allowed; to allow everything, write "*://*:*"'
        raise ValueError(message)
    scheme, found, rest = entry.partition("://")
    if not found:
        message = f'"{entry}" has no scheme; {_FORM}'
        raise ValueError(message)
    host, port = _apart(rest)
    ports = _ports(port, scheme)
    if scheme != "*" and not scheme.isalpha():
        message = f'"{scheme}" is not a scheme: it has letters only, or is `*`; lists are not supported'
        raise ValueError(message)
    kind, name = _host(host)
    return AllowedHost(scheme, kind, name, ports)


def grant(entries: list[AllowedHost], *, private: bool = True) -> Granted:
    """Say entries in our words. `private`: whether names may lead to private addresses."""
    granted = Granted()
    for index, entry in enumerate(entries):
        first, last = entry.ports
        if first > last:
            granted.notes.append((index, "a range of ports leaves out its end, and this one is empty"))
        elif entry.kind == "self":
            granted.routes = True
        elif entry.chained and entry.kind != "any":
            granted.chained.append(entry.chained)
        else:
            _grant(entry, index, granted, private=private)
    granted.chained = list(dict.fromkeys(granted.chained))
    return granted


def _grant(entry: AllowedHost, index: int, granted: Granted, *, private: bool) -> None:
    if entry.kind == "any" and entry.schemes:
        granted.routes = True
        granted.chained += filter(None, [entry.chained])
    for scheme in entry.schemes:
        to = _target(scheme, entry, default=_HTTP[scheme])
        granted.http.append({"to": to, "private": True} if private and entry.kind != "network" else to)
    for scheme in ("tcp", "udp"):
        if entry.scheme == scheme or (entry.scheme == "*" and entry.kind in {"any", "network"}):
            granted.sockets += _sockets(scheme, entry)
    if entry.scheme in {"tcp", "udp"} and entry.kind in {"name", "suffix"}:
        granted.notes.append((index, "Spin never lets a name through to a socket; here it can be looked up"))
    if entry.scheme not in {"*", "tcp", "udp", *_HTTP}:
        granted.notes.append((index, f"no interface here speaks {entry.scheme}; nothing is granted for it"))


def _sockets(scheme: str, entry: AllowedHost) -> list[str]:
    if entry.kind != "any":
        return [_target(scheme, entry)]
    # Every address, those of private networks too, which a name would not lead to.
    everywhere = [AllowedHost(scheme, "network", network, entry.ports) for network in ("0.0.0.0/0", "::/0")]
    return [_target(scheme, each) for each in everywhere]


def _target(scheme: str, entry: AllowedHost, default: int | None = None) -> str:
    host = {"suffix": f"*.{entry.host}", "network": _network(entry.host)}.get(entry.kind, entry.host)
    first, last = entry.ports
    if (first, last) == (default, default):
        return f"{scheme}://{host}"
    port = "*" if (first, last) == (1, _LAST_PORT) else str(first) if first == last else f"{first}-{last}"
    return f"{scheme}://{host}:{port}"


def _network(text: str) -> str:
    if "/" not in text and ":" not in text and not text[:1].isdigit():
        return text
    address, _, bits = text.partition("/")
    whole = bits in {"", "32"} if ":" not in address else bits in {"", "128"}
    shown = f"[{address}]" if ":" in address else address
    return shown if whole else f"{shown}/{bits}"


def _apart(rest: str) -> tuple[str, str]:
    """Take the port off: an address of IPv6 has colons of its own."""
    host, colon, port = rest.rpartition(":")
    if not colon:
        return rest, ""
    if port == "":
        return host, ""
    try:
        _host(rest)
    except ValueError:
        port, slash, path = port.partition("/")
        if slash and path:
            message = f'"{rest}" has a path, and a grant has none'
            raise ValueError(message) from None
        return host, port
    return rest, ""


def _ports(text: str, scheme: str) -> tuple[int, int]:
    if text == "":
        if scheme not in _PORTS:
            message = f'"{scheme}" has no port of its own; write one, such as ":5432", or ":*"'
            raise ValueError(message)
        return _PORTS[scheme], _PORTS[scheme]
    if text == "*":
        return 1, _LAST_PORT
    if text.startswith("{"):
        message = f'"{text}": lists of ports are not supported'
        raise ValueError(message)
    first, dots, end = text.partition("..")
    return (_port(first, text), _port(end, text) - 1) if dots else (_port(text, text), _port(text, text))


def _port(text: str, whole: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _LAST_PORT:
        message = f'"{whole}" is not a port, nor a range such as "8000..8010", which leaves out its end'
        raise ValueError(message)
    return int(text)


def _host(text: str) -> tuple[HostKind, str]:
    host = text.strip()
    if host == "*":
        return "any", "*"
    if host in {"self", "self.alt"}:
        return "self", "self"
    if host.startswith("{"):
        message = f'"{host}": lists of hosts are not supported'
        raise ValueError(message)
    if re.fullmatch(r"[0-9a-fA-F:.]+/[0-9]+", host):
        return "network", str(ip_network(host, strict=False))
    host = host.removesuffix("/")
    if "/" in host:
        message = f'"{text}" has a path, and a grant has none'
        raise ValueError(message)
    if host.startswith("*.") and "*" not in host[2:]:
        return "suffix", _name(host[2:], text)
    if "*" in host:
        message = f'"{text}": a `*` is all of a host, or the first part of its name'
        raise ValueError(message)
    return _literal(host)


def _literal(host: str) -> tuple[HostKind, str]:
    if host.startswith("[") and host.endswith("]"):
        return "network", str(IPv6Address(host[1:-1]))
    if re.fullmatch(r"[0-9.]+", host):
        return "network", str(IPv4Address(host))
    return "name", _name(host, host)


def _name(text: str, shown: str) -> str:
    name = text
    if not text.isascii():
        try:
            name = text.encode("idna").decode("ascii")
        except UnicodeError as error:
            message = f'"{shown}" is not a host: {error}'
            raise ValueError(message) from None
    try:
        ip_address(name)
    except ValueError:
        return parse_host(name)
    message = f'"{shown}": what comes after `*.` is a name'
    raise ValueError(message)
