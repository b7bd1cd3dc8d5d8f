"""How registries may be reached: encrypted and verified, except where somebody said otherwise.

A registry on the loopback interface may speak plain HTTP, and one that `--insecure` names. Even those are asked for TLS
first. The roots are the system's and those that come with wisp; Docker's and podman's folders `certs.d` add to them for one
registry, `--ca` for all.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wisp.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HUB: Final = {"docker.io": "registry-1.docker.io"}
_PLAIN_PORT, _TLS_PORT = 80, 443


@dataclass(frozen=True, slots=True)
class Access:
    """What was said about registries on the command line."""

    insecure: tuple[str, ...] = ()
    """Registries, as references name them, that may speak plain HTTP."""

    authority: Path | None = None
    """A PEM file of certificates that are trusted too."""

    backoff: float = 0.5
    """Seconds before a request is sent again for the first time."""

    chunk: int = 8 * 2**20
    """Bytes of a blob that are sent in one request."""

    def may_be_plain(self, registry: str) -> bool:
        """Whether a registry may be spoken to without encryption."""
        return registry in self.insecure or is_loopback(host_of(registry))

    def context(self, registry: str) -> ssl.SSLContext:
        """Return what verifies a registry.

        Raises:
            RegistryError: a file of certificates cannot be read.

        """
        context = ssl.create_default_context()
        if not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
            import certifi  # noqa: PLC0415 - comes with httpx, and is needed where the system has no roots

            context.load_verify_locations(certifi.where())
        for path in [*_authorities(registry), *([self.authority] if self.authority else [])]:
            with _explained(path):
                context.load_verify_locations(path)
        for certificate, key in _clients(registry):
            with _explained(certificate):
                context.load_cert_chain(certificate, key)
        return context


def origin(url: str) -> tuple[str, str, int]:
    """Return what decides who gets a request: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or (_TLS_PORT if parts.scheme == "https" else _PLAIN_PORT)
    return parts.scheme, (parts.hostname or "").lower(), port


def endpoint(registry: str) -> str:
    """Return the host and port where a registry answers; Docker Hub's is not where its name says."""
    return _HUB.get(registry, registry)


def registry_at(host: str) -> str:
    """Return the name that people have for the registry at a host."""
    return next((name for name, place in _HUB.items() if place == host), host)


def host_of(registry: str) -> str:
    """Return the host of a registry, without its port and brackets."""
    return urlsplit(f"//{registry}").hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _folders(registry: str) -> Iterator[Path]:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    for above in (Path(home, "containers"), Path("/etc/containers"), Path("/etc/docker")):
        yield above / "certs.d" / registry


def _authorities(registry: str) -> Iterator[Path]:
    for folder in _folders(registry):
        yield from sorted(folder.glob("*.crt"))


def _clients(registry: str) -> Iterator[tuple[Path, Path]]:
    for folder in _folders(registry):
        for certificate in sorted(folder.glob("*.cert")):
            yield certificate, certificate.with_suffix(".key")


class _explained:  # noqa: N801 - reads as what it is, a block
    """Turns what the system says about a file of certificates into an error of ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):  # an SSLError is one
            message = f"{self._path} cannot be used as certificates: {error.strerror or error}"
            raise RegistryError(message, hint="it must be a PEM file") from error
