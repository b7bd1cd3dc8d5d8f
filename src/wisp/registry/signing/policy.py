"""A host's policy: which keys it trusts for which names.

    [[trust]]
    name = "ghcr.io/acme/..."
    keys = ["acme.pub"]

    [[trust]]
    name = "localhost:5000/..."
    unsigned = true

A name is that of a repository, or ends in `/...` for all below it; `...` is all there is. The entry with the longest name that
fits decides, and what none fits is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, Strict, ValidationError, field_validator

from wisp.errors import SignatureError
from wisp.manifest import document, problems
from wisp.manifest.positions import positions
from wisp.manifest.problems import Problem
from wisp.manifest.references import parse_reference
from wisp.manifest.table import Table
from wisp.registry.signing import places
from wisp.registry.signing.keys import PublicKey, read_public

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALL: Final = "..."


class Trust(Table):
    """One entry."""

    name: str = Field(examples=["ghcr.io/acme/..."])
    keys: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    """Files beside the policy, or the keys themselves."""

    unsigned: bool = False

    @field_validator("name")
    @classmethod
    def _is_name(cls, text: str) -> str:
        stem, below = text.removesuffix("/..."), text.endswith("/...")
        try:
            named = parse_reference(f"{stem}/any" if below else stem) if text != _ALL else None
        except ValueError as error:
            message = (
                'expected a repository such as "ghcr.io/acme/shop", or "ghcr.io/acme/..." for all below it'
            )
            raise ValueError(message) from error
        if named is not None and stem not in {named.name, named.name.removesuffix("/any"), named.registry}:
            message = f'expected the name of a repository without tag and digest: "{named.name}"'
            raise ValueError(message)
        return text

    def fits(self, name: str) -> bool:
        """Whether the entry is about a repository."""
        return self.name in {_ALL, name} or (
            self.name.endswith("/...") and name.startswith(self.name.removesuffix(_ALL))
        )


class PolicyFile(Table):
    """The whole file."""

    trust: Annotated[tuple[Trust, ...], Strict(strict=False)] = ()
    """A policy without an entry trusts nobody."""


class Policy:
    """What was read."""

    def __init__(self, file: PolicyFile, path: Path, keys: dict[str, PublicKey]) -> None:
        self.path = path
        self._file = file
        self._keys = keys

    def trust(self, name: str) -> Trust | None:
        """Return the entry that decides about a repository; None if none does."""
        fitting = [entry for entry in self._file.trust if entry.fits(name)]
        return max(fitting, key=lambda entry: len(entry.name), default=None)

    def keys(self, trust: Trust) -> tuple[PublicKey, ...]:
        """Return the keys of an entry."""
        return tuple(self._keys[key] for key in trust.keys)


def load(path: Path) -> Policy:
    """Read a policy and its keys.

    Raises:
        ManifestError: it is wrong, or a key cannot be used; with its place in the file.

    """
    file = path.absolute()
    text = document.read(file)
    data = document.parse(text, file)
    keys: dict[str, PublicKey] = {}
    try:
        read = PolicyFile.model_validate(data)
        wrong = [*_contradictions(read), *_unusable(read, file, keys)]
    except ValidationError as error:
        raise problems.manifest_error(
            file, problems.found(error, data, root=PolicyFile), positions(text)
        ) from error
    if wrong:
        raise problems.manifest_error(file, wrong, positions(text))
    return Policy(read, file, keys)


def _contradictions(file: PolicyFile) -> Iterator[Problem]:
    names: set[str] = set()
    for index, entry in enumerate(file.trust):
        if entry.name in names:
            yield Problem(("trust", index, "name"), f'there are two entries for "{entry.name}"')
        names.add(entry.name)
        if entry.unsigned == bool(entry.keys):
            words = "write either keys, of which one must have signed, or unsigned = true"
            yield Problem(("trust", index), words)


def _unusable(file: PolicyFile, path: Path, keys: dict[str, PublicKey]) -> Iterator[Problem]:
    """Read all keys, and say which cannot be."""
    for index, entry in enumerate(file.trust):
        for number, key in enumerate(entry.keys):
            try:
                inline = key.lstrip().startswith(places.INLINE)
                keys[key] = (
                    PublicKey.read(key.encode(), entry.name) if inline else read_public(path.parent / key)
                )
            except SignatureError as error:
                yield Problem(("trust", index, "keys", number), error.message)
