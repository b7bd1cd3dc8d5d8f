"""Requests to registries: with proof of who we are, sent again after what may pass, and along redirections.

A registry redirects those who want a blob to where it is stored, which may be anybody's machine. So redirections are followed
by hand: only to encrypted addresses, or from this machine to itself, and without our proof as soon as the host is another.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import random
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import httpx

from wisp.errors import RegistryError
from wisp.registry.oci.access import Access, endpoint, host_of, is_loopback, origin, registry_at
from wisp.registry.oci.tokens import Proof

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ATTEMPTS: Final = 5
"""How often a request is sent before its failure is believed."""

_LONGEST_WAIT: Final = 60.0
_REDIRECTS: Final = 5
_PROOFS: Final = 3
_MOST_SAID: Final = 64 * 2**10
"""Bytes of an answer that says what is wrong, or gives a token."""

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0, pool=None)
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a registry."""

    method: str
    url: str
    registry: str
    """Whom it is about; proof of who we are goes nowhere else."""

    scopes: tuple[str, ...] = ()
    """What we need to be allowed."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    patient: bool = True
    """Whether to send it again when it fails in a way that may pass."""


class Transport:
    """The connections of one run of a command to its registries."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._proofs: dict[str, Proof] = {}
        self._schemes: dict[str, str] = {}

    async def close(self) -> None:
        """End all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def url(self, registry: str, path: str) -> str:
        """Return the address of something in a registry: `path` begins behind `/v2/`."""
        if registry not in self._schemes:
            self._schemes[registry] = await self._scheme(registry)
        return f"{self._schemes[registry]}://{endpoint(registry)}/v2/{path}"

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[httpx.Response]:
        """Send a request, and give the answer while the block runs, whatever its status.

        Raises:
            RegistryError: nobody answers, or the answer leads where nothing may be sent.

        """
        attempt = 0
        while True:
            attempt += 1
            last = not request.patient or attempt >= ATTEMPTS
            try:
                response = await self._proved(request)
            except httpx.TransportError as error:
                if last or _is_final(error):
                    raise self._unreachable(request.url, error) from error
                await asyncio.sleep(self.pause(attempt))
                continue
            if response.status_code in _TRANSIENT and not last:
                wait = self._wait(response, attempt)
                await response.aclose()
                await asyncio.sleep(wait)
                continue
            try:
                yield response
            finally:
                await response.aclose()
            return

    def pause(self, attempt: int) -> float:
        """Return how long to wait after so many failures: twice as long each time, and not all of us at once."""
        longest: float = min(self._access.backoff * 2 ** (attempt - 1), _LONGEST_WAIT)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nobody must not guess it

    async def _proved(self, request: Request) -> httpx.Response:
        """Send a request, again with what a registry wants when it wants proof of who we are."""
        registry = request.registry
        proof = self._proofs.setdefault(registry, Proof(registry, self._access, self._token))
        for asked in range(_PROOFS):
            sent = await proof.header(request.scopes)
            response = await self._follow(request, sent)
            if response.status_code != _UNAUTHORIZED or asked == _PROOFS - 1:
                return response
            if not proof.challenged(", ".join(response.headers.get_list("www-authenticate")), sent):
                return response
            await response.aclose()
        raise AssertionError

    async def _follow(self, request: Request, proof: str | None) -> httpx.Response:
        registry, url = request.registry, request.url
        home = origin(await self.url(registry, ""))
        for _ in range(_REDIRECTS + 1):
            self.require_safe(url, registry)
            at_home = origin(url) == home
            client = self._client(registry if at_home else urlsplit(url).netloc.rpartition("@")[2])
            headers = {**request.headers, "authorization": proof} if proof and at_home else request.headers
            made = _made(client, request, url, headers)
            response = await client.send(made, stream=True)
            if not response.has_redirect_location or request.method not in {"GET", "HEAD"}:
                return response
            await response.aclose()
            url = joined(url, response.headers["location"], registry)
        message = f"{registry} redirects more than {_REDIRECTS} times"
        raise RegistryError(message)

    def require_safe(self, url: str, registry: str) -> None:
        """Refuse to go where a registry must not send us.

        Raises:
            RegistryError: it is not encrypted, or on this machine while the registry is not.

        """
        try:
            scheme, host, _ = origin(url)
        except ValueError:
            scheme, host = "", ""
        near = is_loopback(host_of(registry))
        plain = (near and is_loopback(host)) or (
            host == host_of(registry) and self._access.may_be_plain(registry)
        )
        if host and (scheme == "https" or (scheme == "http" and plain)) and (near or not is_loopback(host)):
            return
        message = f"{registry} leads to {shown(url)}, where nothing is sent: only to https, and never to this machine"
        raise RegistryError(message)

    def _client(self, registry: str) -> httpx.AsyncClient:
        if registry not in self._clients:
            self._clients[registry] = httpx.AsyncClient(
                verify=self._access.context(registry),
                timeout=_TIMEOUT,
                headers={"accept-encoding": "identity", "user-agent": "wisp"},
            )
        return self._clients[registry]

    async def _scheme(self, registry: str) -> str:
        """Find out whether a registry that may be spoken to without encryption has to be."""
        if not self._access.may_be_plain(registry):
            return "https"
        url = f"https://{endpoint(registry)}/v2/"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._client(registry).stream("GET", url):
                    return "https"
            except httpx.TransportError as error:
                if _speaks_plain(error):
                    return "http"
                if attempt == ATTEMPTS or _is_final(error):
                    raise self._unreachable(url, error) from error
                await asyncio.sleep(self.pause(attempt))
        raise AssertionError

    async def _token(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Mapping[str, Any]:
        """Ask who gives tokens. Proof of who we are is in the headers; a redirection is not followed."""
        host = urlsplit(url).netloc
        what = f"{shown(url)} gave no token"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._client(host).stream(method, url, headers=headers, content=body) as response:
                    said = await read(response, _MOST_SAID, what)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS or _is_final(error):
                    raise self._unreachable(url, error) from error
                await asyncio.sleep(self.pause(attempt))
                continue
            if response.status_code not in _TRANSIENT:
                break
            await asyncio.sleep(self._wait(response, attempt))
        status = response.status_code
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            message = f"{host} does not take our credentials: {status} {response.reason_phrase}"
            raise RegistryError(
                message, hint="log in again with `docker login` or `podman login`", status=status
            )
        with contextlib.suppress(ValueError, RecursionError):
            if response.is_success and isinstance(data := json.loads(said), dict):
                return data
        message = f"{what}: it answered {status} {response.reason_phrase}"
        raise RegistryError(message, status=status)

    def _wait(self, response: httpx.Response, attempt: int) -> float:
        """Return how long to wait before a request is sent again: as long as was asked for, or as long as we think."""
        asked = _retry_after(response.headers.get("retry-after", ""))
        if asked is None:
            return self.pause(attempt)
        if asked > _LONGEST_WAIT:
            message = f"{response.url.host} is busy, and wants to be asked again in {asked:.0f} s"
            raise RegistryError(message, status=response.status_code)
        return asked

    def _unreachable(self, url: str, error: httpx.TransportError) -> RegistryError:
        host = urlsplit(url).netloc
        message = f"{host} cannot be reached: {_clean(str(error)) or type(error).__name__}"
        hint = None
        if isinstance(_cause(error), ssl.SSLCertVerificationError):
            hint = (
                "say which authority to trust with --ca FILE, or put it where Docker and podman look: certs.d"
            )
        elif _speaks_plain(error):
            hint = f"it does not speak TLS; if that is meant, allow it with --insecure {host}"
        return RegistryError(message, hint=hint)


def joined(base: str, location: str, registry: str) -> str:
    """Return where an answer leads.

    Raises:
        RegistryError: it is no address.

    """
    try:
        return urljoin(base, location)
    except ValueError as error:
        message = f"{registry} leads to {_clean(location)!r}, which is no address"
        raise RegistryError(message) from error


def _made(client: httpx.AsyncClient, request: Request, url: str, headers: Mapping[str, str]) -> httpx.Request:
    try:
        return client.build_request(request.method, url, headers=headers, content=request.body)
    except (httpx.InvalidURL, ValueError) as error:
        message = f"{request.registry} leads to {shown(url)}, which is no address"
        raise RegistryError(message) from error


async def refusal(response: httpx.Response, what: str, *, hint: str | None = None) -> RegistryError:
    """Return the error that says why a registry did not do something: `what` is the start of the sentence."""
    said = await read(response, _MOST_SAID, what)
    words = f"{response.status_code} {response.reason_phrase}".strip()
    with contextlib.suppress(ValueError, AttributeError, TypeError, LookupError):
        first = json.loads(said)["errors"][0]
        words = ": ".join(_clean(str(first[key])) for key in ("code", "message") if first.get(key)) or words
    host = registry_at(response.url.netloc.decode())
    if response.status_code in {_UNAUTHORIZED, _FORBIDDEN} and hint is None:
        hint = f"log in with `docker login {host}` or `podman login {host}`, as somebody who may do this"
    return RegistryError(f"{what}: {words}", hint=hint, status=response.status_code)


async def read(response: httpx.Response, most: int, what: str) -> bytes:
    """Return the body of a response, if it is not larger than it may be.

    Raises:
        RegistryError: it is, or it breaks off.

    """
    content = bytearray()
    try:
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > most:
                message = f"{what}: the answer is larger than {most / 2**20:.2g} MiB"
                raise RegistryError(message)
    except httpx.TransportError as error:
        message = f"{what}: the answer breaks off"
        raise RegistryError(message) from error
    return bytes(content)


def shown(url: str) -> str:
    """Return an address as it may be printed: without user, password and query, which may hold secrets."""
    try:
        parts = urlsplit(url)
        return _clean(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    except ValueError:
        return "an address that is none"


def _clean(text: str) -> str:
    """Return what a stranger said as one short line without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:300].strip()


def _retry_after(value: str) -> float | None:
    if value.isdecimal():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _cause(error: BaseException) -> BaseException | None:
    """Return the error of TLS, or of the system, that another was made of."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found


def _is_final(error: httpx.TransportError) -> bool:
    """Whether sending it again cannot help."""
    return isinstance(_cause(error), ssl.SSLError) or isinstance(error, httpx.UnsupportedProtocol)


def _speaks_plain(error: httpx.TransportError) -> bool:
    """Whether whoever answered does not speak TLS."""
    cause = _cause(error)
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLCertVerificationError):
        return False
    return cause.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "HTTP_REQUEST",
    }
