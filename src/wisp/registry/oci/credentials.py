"""Finding out who we are at a registry: what `docker login` and `podman login` have written down, and their helpers.

Files are read in this order, and the first that knows the registry decides: `$REGISTRY_AUTH_FILE`,
`$DOCKER_CONFIG/config.json`, podman's `auth.json` below `$XDG_RUNTIME_DIR` and the user's configuration, and
`~/.docker/config.json`. Nothing is ever written.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HUB_KEY: Final = "https://index.docker.io/v1/"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - what helpers say in place of a user when the secret is a token
_HELPER: Final = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are: a user with a password, or a token to be traded for others."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    """A token that is sent in place of a password (`identitytoken`)."""

    bearer: str = field(default="", repr=False)
    """A token that is sent to the registry as it is (`registrytoken`)."""

    @property
    def basic(self) -> str:
        """The value of the header `Authorization`."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


async def find(registry: str, repository: str = "") -> Credentials | None:
    """Return who we are at a registry; None if nobody has logged in.

    Args:
        registry: As references name it.
        repository: podman keeps credentials for parts of a registry, too.

    Raises:
        RegistryError: a file cannot be read, or a helper fails.

    """
    for path in _files():
        if (data := _read(path)) is not None and (found := await _from(path, data, registry, repository)):
            return found
    return None


def _files() -> Iterator[Path]:
    environment = os.environ
    if own := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(own)
    if own := environment.get("DOCKER_CONFIG"):
        yield Path(own, "config.json")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    yield Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config", "containers", "auth.json")
    yield Path.home() / ".docker" / "config.json"


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        message = f"the credentials in {path} cannot be read: {why}"
        raise RegistryError(message, hint=f"mend it, or log in again after moving {path} away") from error
    return data if isinstance(data, dict) else None


async def _from(path: Path, data: Mapping[str, Any], registry: str, repository: str) -> Credentials | None:
    helpers = data.get("credHelpers")
    helper = helpers.get(registry) if isinstance(helpers, dict) else None
    if isinstance(helper, str) and helper:
        return await _ask(helper, _HUB_KEY if registry == "docker.io" else registry, path)
    store = data.get("credsStore")
    if isinstance(store, str) and store:
        for key in (_HUB_KEY,) if registry == "docker.io" else (registry, f"https://{registry}"):
            if found := await _ask(store, key, path):
                return found
    auths = data.get("auths")
    if not isinstance(auths, dict):
        return None
    for key in _keys(registry, repository):
        entry = auths.get(key)
        if isinstance(entry, dict) and (found := _entry(entry, key, path)):
            return found
    return None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """List the names that a registry may have in a file, the most special first."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        yield "/".join([registry, *parts[:count]])
    yield registry
    for scheme in ("https", "http"):
        for path in ("", "/", "/v1/", "/v2/", "/v1", "/v2"):
            yield f"{scheme}://{registry}{path}"
    if registry == "docker.io":
        yield _HUB_KEY
        yield "index.docker.io"


def _entry(entry: Mapping[str, Any], key: str, path: Path) -> Credentials | None:
    texts = {name: value for name, value in entry.items() if isinstance(value, str) and value}
    user, password = texts.get("username", ""), texts.get("password", "")
    if "auth" in texts:
        try:
            user, colon, password = base64.b64decode(texts["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            message = f"the credentials for {key} in {path} cannot be read"
            raise RegistryError(message, hint="log in again") from error
        password = password.rstrip("\0") if colon else ""
    found = Credentials(user, password, texts.get("identitytoken", ""), texts.get("registrytoken", ""))
    return None if found == Credentials() else found


async def _ask(helper: str, server: str, path: Path) -> Credentials | None:
    """Ask a credential helper, a program that `docker login` uses too."""
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        message = f'{path} names a credential helper that cannot be one: "{helper}"'
        raise RegistryError(message)
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        message = f"{path} names the credential helper {program}, which cannot be started: {error.strerror}"
        raise RegistryError(message, hint=f"put {program} on the PATH, or log in without it") from error
    try:
        said, _ = await asyncio.wait_for(process.communicate(server.encode()), _HELPER_SECONDS)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        message = f"the credential helper {program} did not answer within {_HELPER_SECONDS:.0f} s"
        raise RegistryError(message) from error
    if process.returncode == 0:
        return _answered(program, said)
    words = said.decode(errors="replace").strip()
    if "not found" in words.lower():
        return None
    message = f"the credential helper {program} failed" + (
        f": {words.splitlines()[0][:200]}" if words else ""
    )
    raise RegistryError(message)


def _answered(program: str, said: bytes) -> Credentials | None:
    try:
        data = json.loads(said)
        user, secret = str(data["Username"]), str(data["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"the credential helper {program} gave no credentials"
        raise RegistryError(message) from error
    if not secret:
        return None
    return Credentials(identity=secret) if user == _TOKEN_USER else Credentials(user, secret)
