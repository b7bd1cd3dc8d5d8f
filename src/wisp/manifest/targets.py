"""Where a component may send something, as grants write it: `https://*.shop.example:8443`, `tcp://10.0.0.0/8:5432`.

The form is `scheme://host`, or `scheme://host:port`. The host is a name, all names below one (`*.example.com`, at any depth, but
not `example.com` itself), every name (`*`), an address, or a network of addresses. The port is a number, a range with both its
ends (`9000-9010`), or `*`; without it, the scheme's own.

A name never stands for an address of a private network: what it leads to is looked up when it is used, and whoever owns the
name could lead it anywhere. Private addresses are granted as addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal, TypeAlias

from wisp.manifest.hosts import parse_host

TargetKind: TypeAlias = Literal["name", "suffix", "any", "network"]

HTTP_SCHEMES: Final = ("http", "https")
SOCKET_SCHEMES: Final = ("tcp", "udp")
TARGET_PATTERN: Final = r"^[a-z]+://[^/]+(/[0-9]+)?(:[0-9*-]+)?$"
"""What a target looks like, roughly, for the JSON Schema."""

_FORM: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[^\]]*\](?:/\d+)?|[^/:\[\]@]+(?:/\d+)?)(?::(?P<ports>[^/:]+))?"
)
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535
OWN_APP: Final = "self.alt"
"""The host that is the app itself, where its routes lead."""

_NUMERIC: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
"""The last part of what is an address to some resolvers, and a name to others."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a component may send something."""

    scheme: str
    kind: TargetKind
    host: str
    """In lower case: the name, what comes after `*.`, `*`, or the network as `10.0.0.0/8`."""

    ports: tuple[int, int]
    """The first and the last."""


def parse_target(text: str, schemes: tuple[str, ...]) -> Target:
    """Read a target of one of these schemes; a `ValueError` says what is wrong with it."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(_malformed(text, schemes))
    scheme = match["scheme"]
    if "{{" in text:
        raise ValueError(_malformed(text, schemes))
    if scheme not in schemes:
        message = f'expected {" or ".join(schemes)} before "://", found "{scheme}"'
        raise ValueError(message)
    kind, host = _host(match["host"])
    return Target(scheme, kind, host, _ports(match["ports"], scheme))


def _malformed(text: str, schemes: tuple[str, ...]) -> str:
    example = f"{schemes[-1]}://api.example.com" + ("" if schemes[-1] in _PORTS else ":5432")
    if "{{" in text:
        return f'a grant has no variables, found "{text}"; a profile can replace it'
    if text.startswith("*://"):
        each = " and ".join(f'"{scheme}{text[1:]}"' for scheme in schemes)
        return f"a grant names its scheme: write {each}, or the one that is needed"
    if "@" in text:
        return f'a grant names no user, found "{text}"'
    if "://" not in text:
        return f'expected a scheme, a host and a port such as "{example}", found "{text}"'
    if re.fullmatch(r"[a-z]+://[^/]+/.*", text):
        return f'a grant has no path, found "{text}"; a component may use all paths of a host or none'
    return f'expected "{example}", for example, found "{text}"'


def _host(text: str) -> tuple[TargetKind, str]:
    if text == "*":
        return "any", "*"
    if text.startswith("["):
        return "network", _network(text, IPv6Network)
    if re.fullmatch(r"[0-9.]+(/\d+)?", text):
        return "network", _network(text, IPv4Network)
    if text == "self":
        message = f'the app itself is called "{OWN_APP}": write "http://{OWN_APP}"'
        raise ValueError(message)
    if "/" in text:
        message = f'"{text}" is neither a name nor a network such as "10.0.0.0/8"'
        raise ValueError(message)
    host = parse_host(text)
    if _NUMERIC.fullmatch(host.rpartition(".")[2]):
        message = f'"{text}" is neither a name nor an address such as "10.0.0.1"'
        raise ValueError(message)
    return ("suffix", host.removeprefix("*.")) if host.startswith("*.") else ("name", host)


def _network(text: str, kind: type[IPv4Network | IPv6Network]) -> str:
    if "%" in text:
        message = f'a grant has no zone, found "{text}"'
        raise ValueError(message)
    try:
        return str(kind(text.replace("[", "").replace("]", "")))
    except ValueError as error:
        message = f'"{text}" is not a network: {error}'
        raise ValueError(message) from None


def _ports(text: str | None, scheme: str) -> tuple[int, int]:
    if text is None:
        if scheme not in _PORTS:
            message = f'{scheme} has no port of its own; write one, such as ":5432"'
            raise ValueError(message)
        return _PORTS[scheme], _PORTS[scheme]
    if text == "*":
        return 1, _LAST_PORT
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= _LAST_PORT:
        message = f'expected a port, a range such as "9000-9010", or "*", found "{text}"'
        raise ValueError(message)
    return first, last
