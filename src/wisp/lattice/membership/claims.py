"""What a NATS server believes about who connects: signed claims (JWT) of an operator, its accounts and their users.

An account is a lattice: its users see nothing of another one. The server only checks signatures, so it needs no list of users, and a
user can be added without telling any server. Who is to be let in no more is in the claims of the account.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import nkeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wisp.lattice.membership.nkeys import KeyPair

VERSION: Final = 2
_GONE: Final = "revoked-"
_UNLIMITED: Final = -1
_LIMITS: Final = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _UNLIMITED)
_STORAGE: Final = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user may not do in its account."""

    deny_publish: Sequence[str] = ()
    deny_subscribe: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The claims of an account that matter to us."""

    public: str
    issued: int
    revoked: Mapping[str, int] = field(default_factory=dict)
    """By public key of a user: claims issued until this second are worth nothing."""

    gone: frozenset[str] = frozenset()
    """Names of hosts whose certificates are worth nothing."""


def operator(key: KeyPair, name: str, system: str) -> str:
    """Return the claims of an operator, about itself."""
    nats = {"type": "operator", "version": VERSION, "system_account": system}
    return _signed(key, {"sub": key.public, "name": name, "nats": nats})


def system(key: KeyPair, public: str) -> str:
    """Return the claims of the account that servers use among themselves, signed by its operator. It has no JetStream."""
    nats = {"type": "account", "version": VERSION, "limits": {**_LIMITS, "wildcards": True}}
    return _signed(key, {"sub": public, "name": "system", "nats": nats})


def account(key: KeyPair, public: str, name: str, *, revoked: Mapping[str, int], gone: Iterable[str]) -> str:
    """Return the claims of an account, signed by its operator."""
    nats = {
        "type": "account",
        "version": VERSION,
        "limits": {**_LIMITS, **_STORAGE, "wildcards": True},
        "revocations": dict(revoked),
        "tags": [f"{_GONE}{host}" for host in sorted(gone)],
    }
    return _signed(key, {"sub": public, "name": name, "nats": nats})


def user(key: KeyPair, public: str, name: str, permissions: Permissions) -> str:
    """Return the claims of a user, signed by its account."""
    nats: dict[str, Any] = {
        "type": "user",
        "version": VERSION,
        "pub": {"deny": list(permissions.deny_publish)} if permissions.deny_publish else {},
        "sub": {"deny": list(permissions.deny_subscribe)} if permissions.deny_subscribe else {},
        **dict.fromkeys(("subs", "data", "payload"), _UNLIMITED),
    }
    return _signed(key, {"sub": nkeys.require_public(public, "user"), "name": name, "nats": nats})


def read_account(text: str, issuer: str) -> Account:
    """Read the claims of an account, found to be signed by its operator. Raises LatticeError."""
    try:
        signed, _, signature = text.rpartition(".")
        found = json.loads(_bytes(signed.partition(".")[2]))
        genuine = nkeys.verified(issuer, _bytes(signature), signed.encode())
        if not genuine or found["iss"] != issuer or found["nats"]["type"] != "account":
            raise LatticeError("the claims of the lattice's account are not signed by its authority")
        revoked = {str(key): int(value) for key, value in found["nats"].get("revocations", {}).items()}
        tags = [str(tag) for tag in found["nats"].get("tags", ())]
        gone = frozenset(tag.removeprefix(_GONE) for tag in tags if tag.startswith(_GONE))
        return Account(str(found["sub"]), int(found["iat"]), revoked, gone)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LatticeError("what should be the claims of the lattice's account is something else") from error


def read_user(text: str, issuer: str) -> tuple[str, str]:
    """Return the public key and the name in claims of a user, found to be signed by its account. Raises LatticeError."""
    try:
        signed, _, signature = text.rpartition(".")
        found = json.loads(_bytes(signed.partition(".")[2]))
        if nkeys.verified(issuer, _bytes(signature), signed.encode()) and found["nats"]["type"] == "user":
            return str(found["sub"]), str(found["name"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LatticeError("what should be the claims of a user is something else") from error
    raise LatticeError("the claims of a user are not signed by the lattice's authority")


def subject(text: str) -> str:
    """Return the public key that claims are about, unverified. Raises LatticeError."""
    try:
        return str(json.loads(_bytes(text.split(".")[1]))["sub"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LatticeError("these are no claims of NATS") from error


def credentials(claims: str, seed: str) -> bytes:
    """Return claims and the seed that proves them as a file, in the form that all clients of NATS read."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{claims}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    ).encode()


def _signed(key: KeyPair, claims: Mapping[str, Any]) -> str:
    body = {**claims, "iss": key.public, "iat": int(time.time())}
    digest = hashlib.new("sha512_256", json.dumps(body, sort_keys=True).encode()).digest()
    body["jti"] = base64.b32encode(digest).decode("ascii").rstrip("=")
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = f"{_text(json.dumps(head).encode())}.{_text(json.dumps(body).encode())}"
    return f"{signed}.{_text(key.sign(signed.encode()))}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
