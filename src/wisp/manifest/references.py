"""The name of something in an OCI registry: `ghcr.io/acme/auth:1.2`, `localhost:5000/auth@sha256:...`.

The grammar is Docker's. One thing is left out on purpose: a name without a registry means nothing here, where Docker
takes it for one of Docker Hub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from wisp.manifest.digests import DIGEST_PATTERN

SCHEME: Final = "oci://"
"""Stands before a reference where other sources may stand too."""

DEFAULT_TAG: Final = "latest"

_LABEL: Final = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_IPV6: Final = r"\[(?:[a-fA-F0-9:]+)\]"
_REGISTRY: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|{_IPV6})(?::[0-9]{{1,5}})?", re.ASCII)
_WORD: Final = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(f"{_WORD}(?:/{_WORD})*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MOST_CHARACTERS: Final = 255
_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset({_HUB, "index.docker.io", "registry-1.docker.io"})
_EXAMPLE: Final = 'expected a reference such as "ghcr.io/acme/auth:1.2"'


@dataclass(frozen=True, slots=True)
class Reference:
    """Where something is in a registry. Made by `parse_reference`."""

    registry: str
    """The host, with its port if it has one."""

    repository: str
    tag: str | None = None
    digest: str | None = None
    """Decides, where there is one: the tag is for people then."""

    @property
    def target(self) -> str:
        """What the registry is asked for: the digest, or else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def pinned(self) -> bool:
        """Whether it always means the same."""
        return self.digest is not None

    def at(self, digest: str) -> Reference:
        """Return the same, pinned to a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Read a reference, with or without `oci://` before it; a `ValueError` says what is wrong with it."""
    rest, at, digest = text.removeprefix(SCHEME).partition("@")
    if at and not re.fullmatch(DIGEST_PATTERN, digest):
        message = f'expected a digest behind the @, "sha256:" and 64 hexadecimal digits, found "{digest}"'
        raise ValueError(message)
    before, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        message = (
            f'"{tag}" is not a tag: at most 128 letters, digits and "_.-", not beginning with one of ".-"'
        )
        raise ValueError(message)
    registry, repository = _split(f"{before}{slash}{last}", text)
    return Reference(registry, repository, tag or None, digest or None)


def is_reference(text: str) -> bool:
    """Whether a text is a reference and not a path."""
    try:
        parse_reference(text)
    except ValueError:
        return False
    return True


def is_remote(place: str) -> bool:
    """Whether a word is the reference of something in a registry. What is there as a path is a path."""
    if "/" not in place or Path(place).exists():
        return False
    return place.startswith(SCHEME) or is_reference(place)


def _split(name: str, text: str) -> tuple[str, str]:
    registry, slash, repository = name.partition("/")
    if not slash or not (
        set(registry) & set(".:[") or registry == "localhost" or registry != registry.lower()
    ):
        hint = f", or docker.io/{name}" if _REPOSITORY.fullmatch(name) else ""
        message = f'"{text}" does not say which registry; {_EXAMPLE}{hint}'
        raise ValueError(message)
    if not _REGISTRY.fullmatch(registry):
        message = f'"{registry}" is not the host of a registry; {_EXAMPLE}'
        raise ValueError(message)
    if not _REPOSITORY.fullmatch(repository):
        lower = repository.lower()
        hint = (
            f'; names are in lower case: "{lower}"'
            if lower != repository and _REPOSITORY.fullmatch(lower)
            else ""
        )
        message = f'"{repository}" is not the name of a repository{hint or f"; {_EXAMPLE}"}'
        raise ValueError(message)
    if len(name) > _MOST_CHARACTERS:
        message = f"a name in a registry has at most {_MOST_CHARACTERS} characters"
        raise ValueError(message)
    if registry in _HUB_NAMES:
        return _HUB, repository if "/" in repository else f"library/{repository}"
    return registry, repository
