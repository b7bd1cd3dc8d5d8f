"""The client of OCI registries: manifests and blobs, down and up.

A blob is written to a file beside its name while its digest is taken; it gets the name when the last byte was right, and
leaves nothing behind otherwise. When the connection breaks, the rest is asked for, not the whole.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import httpx

from wisp.errors import RegistryError
from wisp.registry import files
from wisp.registry.oci import documents, upload
from wisp.registry.oci.documents import MOST_MANIFEST, Descriptor, Index
from wisp.registry.oci.transport import ATTEMPTS, Request, Transport, joined, read, refusal

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from wisp.manifest.references import Reference
    from wisp.registry.oci.access import Access
    from wisp.registry.oci.documents import ImageManifest
    from wisp.registry.oci.upload import Content

_OK, _PARTIAL, _NOT_FOUND, _RANGE_NOT_SATISFIABLE = 200, 206, 404, 416
_NO_LISTING: Final = frozenset({400, 404, 405, 406})
"""What registries answer that know nothing of referrers."""

_LONGEST_SECONDS: Final = 3600.0
PARALLEL: Final = 4
"""Blobs at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest, as it was found."""

    reference: Reference
    """Pinned to the digest of the content."""

    content: bytes
    manifest: ImageManifest | Index

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return self.reference.digest or ""


class Progress:
    """Is told of the bytes of a run; what comes of it is up to whoever makes one."""

    def expected(self, count: int) -> None:
        """Note that so many bytes will come or go."""

    def moved(self, count: int) -> None:
        """Note that so many bytes came or went; fewer than none when they have to again."""


class Client:
    """One run of a command with its registries."""

    def __init__(self, access: Access, progress: Progress | None = None) -> None:
        self._access = access
        self._transport = Transport(access)
        self._progress = progress or Progress()
        self._slots = asyncio.Semaphore(PARALLEL)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def manifest(self, reference: Reference) -> Found:
        """Return what a reference names, with its digest verified.

        Raises:
            RegistryError: it is not there, or not what the reference says, or no manifest.

        """
        path = f"{reference.repository}/manifests/{reference.target}"
        request = Request(
            "GET",
            await self._transport.url(reference.registry, path),
            reference.registry,
            scopes=(pulling(reference),),
            headers={"accept": documents.ACCEPTED},
        )
        async with self._transport.send(request) as response:
            if response.status_code != _OK:
                missing = response.status_code == _NOT_FOUND
                hint = (
                    "look at the spelling; a repository that is private looks the same to strangers"
                    if missing
                    else None
                )
                raise await refusal(response, f"{reference} cannot be had", hint=hint)
            content = await read(response, MOST_MANIFEST, f"{reference} cannot be had")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        announced = response.headers.get("docker-content-digest", digest)
        for wanted in (reference.digest or digest, announced if announced.startswith("sha256:") else digest):
            if digest != wanted:
                message = f"{reference} is not what was asked for: expected {wanted}, found {digest}"
                raise RegistryError(message, reference=str(reference))
        return Found(reference.at(digest), content, documents.parse(content, str(reference)))

    async def blob(self, reference: Reference, wanted: Descriptor, target: Path, *, limit: int) -> None:
        """Write a blob to a file, which is there whole afterwards, or not at all.

        Args:
            reference: In which repository it is.
            wanted: Its digest and size.
            target: The file.
            limit: The most bytes that it may have.

        Raises:
            RegistryError: it cannot be had, or is something else.
            ArtifactError: the disk is full.

        """
        if wanted.size > limit:
            message = f"{_name(reference, wanted)} has {wanted.size / 2**20:.0f} MiB, {limit / 2**20:.0f} are allowed"
            raise RegistryError(message, reference=str(reference))
        async with self._slots:
            self._progress.expected(wanted.size)
            with files.explained(target, needed=wanted.size), files.replacing(target) as stream:
                download = _Download(self._transport, reference, wanted, self._progress)
                try:
                    async with asyncio.timeout(_LONGEST_SECONDS):
                        await download.run(stream)
                except TimeoutError as error:
                    message = f"{_name(reference, wanted)} cannot be had: it took longer than an hour"
                    raise RegistryError(message, reference=str(reference)) from error

    async def document(self, reference: Reference, wanted: Descriptor) -> bytes:
        """Return a small blob, such as a config.

        Raises:
            RegistryError: it cannot be had, or is something else.

        """
        what = f"{_name(reference, wanted)} cannot be had"
        if wanted.size > MOST_MANIFEST:
            message = f"{what}: it is larger than {MOST_MANIFEST / 2**20:.0f} MiB"
            raise RegistryError(message, reference=str(reference))
        async with self._transport.send(
            await blob_request(self._transport, reference, wanted.digest)
        ) as response:
            if response.status_code != _OK:
                raise await refusal(response, what)
            content = await read(response, wanted.size, what)
        _require_right(reference, wanted, f"sha256:{hashlib.sha256(content).hexdigest()}")
        return content

    async def push_blob(self, reference: Reference, content: Content, known: str | None = None) -> bool:
        """See to it that a repository has a blob; return whether it had to be sent.

        Args:
            reference: The repository.
            content: The blob.
            known: Another repository of this registry that has it, as far as we know.

        Raises:
            RegistryError: the registry does not take it.

        """
        async with self._slots:
            sending = upload.Upload(self._transport, reference, self._access.chunk, self._progress)
            return await sending.run(content, known)

    async def push_manifest(
        self, reference: Reference, content: bytes, media_type: str = documents.MANIFEST
    ) -> str:
        """Give a manifest its name in a registry, and return its digest; without a tag, the digest is its name.

        Raises:
            RegistryError: the registry does not take it.

        """
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        path = f"{reference.repository}/manifests/{reference.tag or reference.target}"
        request = Request(
            "PUT",
            await self._transport.url(reference.registry, path),
            reference.registry,
            scopes=(pushing(reference),),
            headers={"content-type": media_type},
            body=content,
        )
        async with self._transport.send(request) as response:
            if not response.is_success:
                raise await refusal(response, f"{reference} cannot be pushed")
        announced = response.headers.get("docker-content-digest", digest)
        if announced != digest:
            message = (
                f"{reference.registry} keeps {reference} as something else: sent {digest}, kept {announced}"
            )
            raise RegistryError(message, reference=str(reference))
        return digest

    async def listing(self, reference: Reference, page: str) -> tuple[bytes, str | None] | None:
        """Return a page of what refers to an artifact, and the address of the next; None where registries do not list that.

        Args:
            reference: The artifact, by digest.
            page: The address of the page; nothing means the first.

        Raises:
            RegistryError: the registry refuses.

        """
        path = f"{reference.repository}/referrers/{reference.digest}"
        url = page or await self._transport.url(reference.registry, path)
        request = Request(
            "GET", url, reference.registry, scopes=(pulling(reference),), headers={"accept": documents.INDEX}
        )
        what = f"what refers to {reference} cannot be had"
        async with self._transport.send(request) as response:
            if response.status_code in _NO_LISTING:
                return None
            if response.status_code != _OK:
                raise await refusal(response, what)
            if response.headers.get("content-type", "").partition(";")[0] != documents.INDEX:
                return None
            content = await read(response, MOST_MANIFEST, what)
        following: str | None = response.links.get("next", {}).get("url")
        return content, following and joined(url, following, reference.registry)


class _Download:
    """One blob on its way."""

    def __init__(
        self, transport: Transport, reference: Reference, wanted: Descriptor, progress: Progress
    ) -> None:
        self._transport = transport
        self._reference = reference
        self._wanted = wanted
        self._progress = progress
        self._hash = hashlib.sha256()
        self._size = 0

    async def run(self, stream: BinaryIO) -> None:
        attempt = 0
        while True:
            before = self._size
            try:
                await self._receive(stream)
            except httpx.TransportError as error:
                # Who makes headway may go on for ever.
                attempt = 1 if self._size > before else attempt + 1
                if attempt >= ATTEMPTS:
                    message = (
                        f"{_name(self._reference, self._wanted)} cannot be had: the connection breaks off"
                    )
                    raise RegistryError(message, reference=str(self._reference)) from error
                await asyncio.sleep(self._transport.pause(attempt))
                continue
            break
        if self._size != self._wanted.size:
            message = f"{_name(self._reference, self._wanted)} is shorter than its manifest says"
            raise RegistryError(message, reference=str(self._reference))
        _require_right(self._reference, self._wanted, f"sha256:{self._hash.hexdigest()}")

    async def _receive(self, stream: BinaryIO) -> None:
        """Receive what is still missing."""
        if self._size == self._wanted.size:
            return
        request = await blob_request(
            self._transport, self._reference, self._wanted.digest, (self._size, self._wanted.size)
        )
        async with self._transport.send(request) as response:
            if response.status_code not in {_OK, _PARTIAL} or not self._continues(response):
                self._restart(stream)
                if response.status_code not in {_OK, _PARTIAL, _RANGE_NOT_SATISFIABLE} or not request.headers:
                    raise await refusal(response, f"{_name(self._reference, self._wanted)} cannot be had")
                if response.status_code != _OK:
                    raise httpx.RemoteProtocolError("the registry does not continue where we were")
            async for piece in response.aiter_raw():
                self._add(stream, piece)

    def _continues(self, response: httpx.Response) -> bool:
        """Whether an answer begins where we are."""
        if response.status_code == _OK:
            return self._size == 0
        begins: str = response.headers.get("content-range", "")
        return begins.startswith(f"bytes {self._size}-")

    def _restart(self, stream: BinaryIO) -> None:
        self._progress.moved(-self._size)
        stream.seek(0)
        stream.truncate()
        self._hash, self._size = hashlib.sha256(), 0

    def _add(self, stream: BinaryIO, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._wanted.size:
            message = f"{_name(self._reference, self._wanted)} is longer than its manifest says"
            raise RegistryError(message, reference=str(self._reference))
        self._hash.update(piece)
        stream.write(piece)
        self._progress.moved(len(piece))


async def blob_request(
    transport: Transport, reference: Reference, digest: str, rest: tuple[int, int] = (0, 0)
) -> Request:
    """Return the request for a blob, or for the rest of it: from one byte on, of so many."""
    begin, size = rest
    url = await transport.url(reference.registry, f"{reference.repository}/blobs/{digest}")
    headers = {"range": f"bytes={begin}-{size - 1}"} if begin else {}
    return Request("GET", url, reference.registry, scopes=(pulling(reference),), headers=headers)


def pulling(reference: Reference) -> str:
    """Return the scope of a token for pulling."""
    return f"repository:{reference.repository}:pull"


def pushing(reference: Reference) -> str:
    """Return the scope of a token for pushing."""
    return upload.scope(reference)


def _name(reference: Reference, wanted: Descriptor) -> str:
    return f"the blob {wanted.digest[:19]} of {reference}"


def _require_right(reference: Reference, wanted: Descriptor, found: str) -> None:
    if found != wanted.digest:
        message = f"{_name(reference, wanted)} is damaged: expected {wanted.digest}, found {found}"
        raise RegistryError(
            message, hint="the registry, or something on the way to it, changes what it passes on"
        )
