"""Sending blobs: not when the registry has them, from where we were when the connection breaks.

A registry that has the blob in another repository mounts it when it is told which. A small blob is sent in one piece. A large one
is sent in pieces, each in a request of its own; after a failure the registry is asked how far it is, and whoever cannot say
gets the blob anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode, urlsplit

from wisp.errors import RegistryError
from wisp.registry.oci.transport import ATTEMPTS, Request, joined, refusal

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from wisp.manifest.references import Reference
    from wisp.registry.oci.transport import Transport

_OK, _CREATED, _ACCEPTED, _NO_CONTENT = 200, 201, 202, 204
_SERVER_FAULT = 500
_TOO_MANY: Final = 429
_MOST_CHUNK: Final = 256 * 2**20
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d+)")


@dataclass(frozen=True, slots=True)
class Content:
    """A blob that we have: a file, or bytes."""

    digest: str
    size: int
    source: Path | bytes

    @classmethod
    def of(cls, content: bytes) -> Content:
        """Return bytes as a blob."""
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), content)

    def piece(self, begin: int, count: int) -> bytes:
        """Return a piece of it."""
        if isinstance(self.source, bytes):
            return self.source[begin : begin + count]
        with self.source.open("rb") as stream:
            stream.seek(begin)
            return stream.read(count)


class Progress(Protocol):
    """Is told of bytes."""

    def expected(self, count: int) -> None:
        """Note that so many bytes will go."""

    def moved(self, count: int) -> None:
        """Note that so many bytes went; fewer than none when they have to again."""


class _Interrupted(Exception):  # noqa: N818 - what it says
    """A piece did not arrive, or nobody knows."""

    def __init__(self, why: RegistryError) -> None:
        super().__init__(why.message)
        self.why = why


class Upload:
    """One blob on its way up."""

    def __init__(self, transport: Transport, reference: Reference, chunk: int, progress: Progress) -> None:
        self._transport = transport
        self._reference = reference
        self._chunk = chunk
        self._moved = progress.moved
        self._expected = progress.expected
        self._scopes: tuple[str, ...] = (scope(reference),)

    async def run(self, content: Content, known: str | None) -> bool:
        """See to it that the repository has the blob; return whether it had to be sent."""
        if await self._is_there(content):
            return False
        if known is not None and known != self._reference.repository and await self._mounted(content, known):
            return False
        self._expected(content.size)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._sent(content)
            except _Interrupted as interruption:
                if attempt == ATTEMPTS:
                    raise interruption.why from interruption
                await asyncio.sleep(self._transport.pause(attempt))
            else:
                return True
        raise AssertionError

    async def _is_there(self, content: Content) -> bool:
        url = await self._url(content.digest)
        async with self._transport.send(self._request("HEAD", url)) as response:
            return response.status_code == _OK

    async def _mounted(self, content: Content, known: str) -> bool:
        """Ask the registry to take the blob from another of its repositories."""
        url = await self._url(f"uploads/?{urlencode({'mount': content.digest, 'from': known})}")
        scopes = (*self._scopes, f"repository:{known}:pull")
        async with self._transport.send(
            Request("POST", url, self._reference.registry, scopes=scopes)
        ) as response:
            # 202 is an upload that has begun instead. It is left to the registry, which ends those that nobody goes on with.
            return response.status_code == _CREATED

    async def _sent(self, content: Content) -> None:
        location, least = await self._begun()
        chunk = min(max(self._chunk, least), _MOST_CHUNK)
        at = 0
        try:
            while content.size > chunk and at < content.size:
                at, location = await self._piece(content, at, chunk, location)
            await self._finished(content, b"" if at else content.piece(0, content.size), location)
        except _Interrupted:
            self._moved(-at)
            raise
        if not at:
            self._moved(content.size)

    async def _begun(self) -> tuple[str, int]:
        """Begin an upload: where it goes on, and the smallest piece that the registry takes."""
        url = await self._url("uploads/")
        async with self._transport.send(self._request("POST", url)) as response:
            if response.status_code != _ACCEPTED:
                raise await refusal(response, self._cannot)
            least = response.headers.get("oci-chunk-min-length", "0")
            return self._location(url, response), int(least) if least.isdecimal() else 0

    async def _piece(self, content: Content, at: int, chunk: int, location: str) -> tuple[int, str]:
        """Send one piece; when it does not arrive, go on from where the registry is."""
        sent = await asyncio.to_thread(content.piece, at, chunk)
        headers = {
            "content-type": "application/octet-stream",
            "content-range": f"{at}-{at + len(sent) - 1}",
        }
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._transport.send(self._request("PATCH", location, headers, sent)) as response:
                    failure = await self._failure(response)
            except RegistryError as error:
                if error.status is not None and not _passes(error.status):
                    raise
                failure = error
            else:
                if failure is None:
                    self._moved(len(sent))
                    return at + len(sent), self._location(location, response)
            last = failure
            await asyncio.sleep(self._transport.pause(attempt))
            there, location = await self._progress(location, last)
            if there != at:
                # It has some of the piece, or all of it.
                self._moved(there - at)
                return there, location
        raise _Interrupted(last)

    async def _failure(self, response: httpx.Response) -> RegistryError | None:
        """Return why a piece or the end was not taken, if that may be otherwise in a moment; raise what may not."""
        if response.status_code in {_CREATED, _ACCEPTED, _NO_CONTENT}:
            return None
        failure = await refusal(response, self._cannot)
        if not _passes(response.status_code):
            raise failure
        return failure

    async def _progress(self, location: str, failure: RegistryError) -> tuple[int, str]:
        """Ask how much the registry has; who cannot say gets the blob anew."""
        async with self._transport.send(self._request("GET", location)) as response:
            found = _RANGE.fullmatch(response.headers.get("range", ""))
            if response.status_code != _NO_CONTENT or found is None:
                raise _Interrupted(failure)
            last = int(found[1])
            # Nothing is written as 0-0, which is also one byte; no piece is that small.
            return last + 1 if last else 0, self._location(location, response)

    async def _finished(self, content: Content, rest: bytes, location: str) -> None:
        joint = "&" if urlsplit(location).query else "?"
        url = f"{location}{joint}{urlencode({'digest': content.digest})}"
        headers = {"content-type": "application/octet-stream"}
        try:
            async with self._transport.send(self._request("PUT", url, headers, rest)) as response:
                failure = await self._failure(response)
        except RegistryError as error:
            if error.status is not None and not _passes(error.status):
                raise
            failure = error
        if failure is None:
            return
        # It may have arrived all the same.
        if not await self._is_there(content):
            raise _Interrupted(failure)

    def _location(self, base: str, response: httpx.Response) -> str:
        url = joined(base, response.headers.get("location", ""), self._reference.registry)
        self._transport.require_safe(url, self._reference.registry)
        return url

    async def _url(self, path: str) -> str:
        return await self._transport.url(
            self._reference.registry, f"{self._reference.repository}/blobs/{path}"
        )

    def _request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Request:
        return Request(
            method,
            url,
            self._reference.registry,
            scopes=self._scopes,
            headers=headers or {},
            body=body,
            patient=method not in {"PATCH", "PUT"},
        )

    @property
    def _cannot(self) -> str:
        return f"{self._reference} cannot be pushed"


def scope(reference: Reference) -> str:
    """Return the scope of a token for pushing."""
    return f"repository:{reference.repository}:pull,push"


def _passes(status: int) -> bool:
    """Whether what a registry answered may be otherwise in a moment."""
    return status >= _SERVER_FAULT or status == _TOO_MANY
