"""Proving who we are: what a registry wants (`WWW-Authenticate`), and the tokens that it takes.

A registry answers a request without proof by naming who gives tokens for it. The token is for some repositories and
actions, a scope, and is kept while the command runs. Credentials go to whom the registry names, over TLS, or where that
registry may be spoken to without it; they never follow a redirection.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from wisp.errors import RegistryError
from wisp.registry.oci import credentials
from wisp.registry.oci.access import host_of, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.registry.oci.access import Access
    from wisp.registry.oci.credentials import Credentials

_CLIENT: Final = "wisp"
_SHORTEST_SECONDS: Final = 60.0
"""The protocol's default for a token that does not say how long it holds."""

_SPARE_SECONDS: Final = 5.0
_CHALLENGE: Final = re.compile(r"\s*(?P<scheme>[A-Za-z][A-Za-z0-9-]*)(?:\s+|$)")
_PARAMETER: Final = re.compile(
    r'\s*,?\s*(?P<key>[A-Za-z_-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^",\s]+))'
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants."""

    scheme: str
    """In lower case: `basic`, `bearer`."""

    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Read the header `WWW-Authenticate`; what is no challenge is passed over."""
    found: list[Challenge] = []
    at = 0
    while at < len(header):
        start = _CHALLENGE.match(header, at)
        if start is None:
            at += 1
            continue
        parameters: dict[str, str] = {}
        at = start.end()
        while parameter := _PARAMETER.match(header, at):
            quoted = parameter["quoted"]
            value = parameter["word"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[parameter["key"].lower()] = value
            at = parameter.end()
        found.append(Challenge(start["scheme"].lower(), parameters))
        comma = header.find(",", at)
        at = len(header) if comma < 0 else comma + 1
    return found


class Send(Protocol):
    """Sends a request to who gives tokens, and returns the JSON of the answer."""

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Mapping[str, Any]:
        """Send it."""


class Proof:
    """Who we are at one registry."""

    def __init__(self, registry: str, access: Access, send: Send) -> None:
        self._registry = registry
        self._access = access
        self._send = send
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    async def header(self, scopes: Iterable[str]) -> str | None:
        """Return the value of `Authorization` for what is asked next, as far as the registry has said that it wants one."""
        if self._challenge is None:
            return None
        wanted = tuple(sorted(set(scopes)))
        found = await self._credentials(wanted)
        if self._challenge.scheme == "basic":
            return None if found is None else found.basic
        if found is not None and found.bearer:
            return f"Bearer {found.bearer}"
        async with self._lock:
            token, until = self._tokens.get(wanted, ("", 0.0))
            if not token or time.monotonic() > until:
                token, until = await self._fetch(self._challenge, wanted, found)
                self._tokens[wanted] = token, until
        return f"Bearer {token}"

    def challenged(self, header: str, sent: str | None) -> bool:
        """Note that a request was refused; return whether it may be sent again with what `header` gives then.

        Args:
            header: The header `WWW-Authenticate` of the answer.
            sent: The header `Authorization` of the request.

        """
        challenges = {challenge.scheme: challenge for challenge in parse_challenges(header)}
        challenge = challenges.get("bearer") or challenges.get("basic")
        if challenge is None:
            return False
        self._challenge = challenge
        # A token may have ended early; who was refused with a password need not say it again.
        self._tokens = {key: token for key, token in self._tokens.items() if f"Bearer {token[0]}" != sent}
        return sent is None or challenge.scheme == "bearer"

    async def _credentials(self, scopes: tuple[str, ...]) -> Credentials | None:
        """Find out who we are where something is pushed, or else where it is pulled."""
        ordered = sorted(scopes, key=lambda scope: "push" not in scope)
        return await credentials.find(self._registry, ordered[0].split(":")[1] if ordered else "")

    async def _fetch(
        self, challenge: Challenge, scopes: tuple[str, ...], found: Credentials | None
    ) -> tuple[str, float]:
        realm = self._realm(challenge)
        fields = [
            ("service", challenge.parameters.get("service", self._registry)),
            *(("scope", scope) for scope in scopes),
        ]
        if found is not None and found.identity:
            form = [
                ("grant_type", "refresh_token"),
                ("client_id", _CLIENT),
                ("refresh_token", found.identity),
            ]
            scope = " ".join(scopes)
            body = urlencode([*form, fields[0], ("scope", scope)]).encode()
            said = await self._send(
                "POST", realm, {"content-type": "application/x-www-form-urlencoded"}, body
            )
        else:
            headers = {} if found is None else {"authorization": found.basic}
            joint = "&" if urlsplit(realm).query else "?"
            said = await self._send("GET", f"{realm}{joint}{urlencode(fields)}", headers, None)
        token = said.get("token") or said.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            message = f"{self._registry} cannot be logged in to: {urlsplit(realm).hostname} gave no token"
            raise RegistryError(message)
        seconds = said.get("expires_in")
        holds = float(seconds) if isinstance(seconds, int | float) else _SHORTEST_SECONDS
        return token, time.monotonic() + max(holds, _SHORTEST_SECONDS) - _SPARE_SECONDS

    def _realm(self, challenge: Challenge) -> str:
        """Return who gives tokens, if credentials may be sent there."""
        realm = challenge.parameters.get("realm", "")
        parts = urlsplit(realm)
        host = parts.hostname or ""
        plain = self._access.may_be_plain(self._registry)
        near = is_loopback(host_of(self._registry))
        allowed = parts.scheme == "https" or (
            parts.scheme == "http" and plain and (is_loopback(host) or host == host_of(self._registry))
        )
        if not host or not allowed or (is_loopback(host) and not near):
            message = f"{self._registry} names {realm or 'nobody'} as who gives tokens, where no credentials are sent"
            raise RegistryError(message, hint="it must be an https address, not on this machine")
        return realm
