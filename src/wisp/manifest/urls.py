"""The address of a component that is fetched."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def parse_url(text: str) -> str:
    """Return an address that may be fetched from as it is; a `ValueError` says why another may not.

    Only `https`, or `http` on the loopback interface. Credentials are refused, because the address appears in the
    lock file and in messages.
    """
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError as error:
        message = f'"{text}" is not a URL: {error}'
        raise ValueError(message) from None
    if url.username is not None or url.password is not None:
        message = "a URL must not carry a user or password"
        raise ValueError(message)
    if not host or url.scheme not in {"http", "https"}:
        message = f'expected a URL such as "https://example.com/auth.wasm", found "{text}"'
        raise ValueError(message)
    if url.scheme == "http" and not _is_loopback(host):
        message = f'"{text}" is not encrypted; write "https://"'
        raise ValueError(message)
    if url.fragment or any(character.isspace() or not character.isprintable() for character in text):
        message = "a URL must not contain white space or a fragment"
        raise ValueError(message)
    return text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
