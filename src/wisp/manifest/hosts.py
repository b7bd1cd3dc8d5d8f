"""Host patterns of the HTTP trigger: `api.example.com`, `*.example.com`.

A star stands for one label or more and may only be the first; `*.example.com` does not match `example.com`.
Hosts are compared without case and without port, so a pattern is kept in lower case and has no port.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

HOST_LENGTH: Final = 253
"""The longest name that DNS has."""

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)


def parse_host(text: str) -> str:
    """Return the pattern in lower case; a `ValueError` says what is wrong with it."""
    host = text.lower()
    if host.startswith("["):
        return _address(host)
    if "://" in host or "/" in host:
        message = f'expected a host without scheme or path, found "{text}"'
    elif re.fullmatch(r"[^:]*:[0-9]*", host):
        message = f'expected a host without a port, found "{text}"; requests to any port match'
    elif host == "*":
        message = '"*" means any host; leave `host` out instead'
    elif not host.isascii():
        message = f'write "{text}" as it is on the wire{_on_the_wire(host)}'
    elif len(host) > HOST_LENGTH or _HOST.fullmatch(host) is None:
        message = f'expected a host such as "api.example.com" or "*.example.com", found "{text}"'
    else:
        return host
    raise ValueError(message)


def _on_the_wire(host: str) -> str:
    try:
        return f', "{host.encode("idna").decode("ascii")}"'
    except UnicodeError:
        return ', with "xn--" labels'


def _address(host: str) -> str:
    with contextlib.suppress(AddressValueError):
        if host.endswith("]") and "%" not in host:
            return f"[{IPv6Address(host[1:-1]).compressed}]"
    message = f'"{host}" is not an IPv6 address in brackets'
    raise ValueError(message)
