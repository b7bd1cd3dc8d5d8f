"""Fetches components that the manifest names by address and digest.

The digest decides: whatever the other side sends is kept only if it has that digest. Transport is encrypted all the
same, except on this machine, so that nobody on the way learns what is fetched or makes us fetch without end.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from wisp.errors import ArtifactError
from wisp.registry import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from wisp.registry.cache import Cache

LIMIT: Final = 512 * 2**20
"""The largest component that is fetched: ten times the largest that we have seen."""

_REDIRECTS: Final = 5
_TIMEOUT_SECONDS: Final = 900.0
_SILENCE_SECONDS: Final = 30.0


async def fetch(
    cache: Cache,
    url: str,
    digest: str,
    *,
    limit: int = LIMIT,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Return the path of a component in the cache; fetch it first when it is not there.

    Args:
        cache: Where it is kept.
        url: Where it comes from, `https` unless on this machine.
        digest: What it must be.
        limit: The most bytes to accept.
        report: Told when something has to be fetched.

    Raises:
        ArtifactError: it cannot be had, is something else, is too large, or the disk is full.

    """
    path = cache.component(digest)
    if cache.has(digest):
        return path
    if report:
        report(f"fetching {shown(url)}")
    import httpx  # noqa: PLC0415 - slow to import, and rarely needed

    cache.folder("components", "sha256")
    try:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            httpx.AsyncClient(timeout=_SILENCE_SECONDS, headers={"accept-encoding": "identity"}) as client,
        ):
            await _follow(client, url, _Download(path, digest, limit))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = str(error) or type(error).__name__
        message = f"{shown(url)} cannot be fetched: {said}"
        raise ArtifactError(message, digest=digest) from error
    except TimeoutError as error:
        message = f"{shown(url)} cannot be fetched: it took longer than {_TIMEOUT_SECONDS / 60:.0f} minutes"
        raise ArtifactError(message, digest=digest) from error
    return path


def shown(url: str) -> str:
    """Return an address as it may be printed: without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


async def _follow(client: httpx.AsyncClient, url: str, download: _Download) -> None:
    for _ in range(_REDIRECTS + 1):
        _require_safe(url, download.digest)
        async with client.stream("GET", url) as response:
            if response.is_success:
                await download.receive(url, response)
                return
            if not response.has_redirect_location:
                message = f"{shown(url)} cannot be fetched: it answered {response.status_code} {response.reason_phrase}"
                raise ArtifactError(message.rstrip(), digest=download.digest)
            url = urljoin(url, response.headers["location"])
    message = f"{shown(url)} cannot be fetched: more than {_REDIRECTS} redirections"
    raise ArtifactError(message, digest=download.digest)


class _Download:
    """One component on its way into the cache."""

    def __init__(self, path: Path, digest: str, limit: int) -> None:
        self.path = path
        self.digest = digest
        self._limit = limit

    async def receive(self, url: str, response: httpx.Response) -> None:
        """Write what comes, and keep it if it is what it must be."""
        announced = response.headers.get("content-length", "")
        if announced.isdecimal():
            self._require_small(url, int(announced))
        content, size = hashlib.sha256(), 0
        with files.explained(self.path), files.replacing(self.path) as stream:
            async for chunk in response.aiter_raw():
                size += len(chunk)
                self._require_small(url, size)
                content.update(chunk)
                stream.write(chunk)
            self._require_right(url, f"sha256:{content.hexdigest()}")

    def _require_small(self, url: str, size: int) -> None:
        if size > self._limit:
            message = f"{shown(url)} is larger than {self._limit / 2**20:.0f} MiB"
            raise ArtifactError(message, digest=self.digest)

    def _require_right(self, url: str, found: str) -> None:
        if found != self.digest:
            message = f"{shown(url)} is not what the manifest wants: expected {self.digest}, found {found}"
            hint = "if the change is meant, put the new digest into the manifest"
            raise ArtifactError(message, hint=hint, digest=self.digest)


def _require_safe(url: str, digest: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _loopback(parts.hostname or ""):
        return
    message = f"{shown(url)} cannot be fetched: only https is, except from this machine"
    raise ArtifactError(message, digest=digest)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
