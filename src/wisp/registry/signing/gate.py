"""The gate through which artifacts of registries enter: with a policy, only those that its keys vouch for.

What was found to speak for an artifact is kept in the cache. So one that is on this machine is admitted again without its registry, by
the policy that is in force then.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wisp.errors import ArtifactError, SignatureError
from wisp.manifest.problems import shown
from wisp.registry import files
from wisp.registry.cache import hex_of
from wisp.registry.signing import places, signatures
from wisp.registry.signing.evidence import Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.manifest.references import Reference
    from wisp.registry.cache import Cache
    from wisp.registry.oci.client import Client, Found
    from wisp.registry.signing.policy import Policy, Trust


class Gate:
    """Admits artifacts, or refuses them with the reason."""

    def __init__(self, policy: Policy | None, cache: Cache) -> None:
        """Admit by a policy; without one, everything."""
        self._policy = policy
        self._cache = cache

    @classmethod
    def open(cls, told: Path | None, cache: Cache) -> Gate:
        """Return the gate of this machine.

        Args:
            told: The policy that a command was told; the default one otherwise.
            cache: Where evidence is kept.

        Raises:
            ManifestError: the policy is wrong.

        """
        path = places.find(told)
        if path is None:
            return cls(None, cache)
        from wisp.registry.signing import policy  # noqa: PLC0415 - slow to import, and many hosts have none

        return cls(policy.load(path), cache)

    async def admit(self, client: Client, *chain: Found) -> None:
        """Let an artifact in: the last of these; before it stands the index that has it.

        Raises:
            SignatureError: the policy refuses it.
            RegistryError: the registry does not say who has signed it.

        """
        artifact = chain[-1].reference
        trust = self._entry(artifact)
        if self._policy is None or trust is None or trust.unsigned:
            return
        evidence = await signatures.gather(client, *chain)
        self._require(artifact, trust, evidence)
        files.write(self._place(evidence.digest), evidence.to_bytes())

    def asks(self, artifact: Reference) -> bool:
        """Whether an artifact has to be signed.

        Raises:
            SignatureError: it is refused whatever it is.

        """
        trust = self._entry(artifact)
        return trust is not None and not trust.unsigned

    def known(self, artifact: Reference) -> Evidence | None:
        """Return what is kept of an artifact, pinned to its digest, if that is enough to admit it without its registry."""
        trust = self._entry(artifact)
        with contextlib.suppress(OSError, SignatureError):
            evidence = Evidence.read(self._place(artifact.digest or "").read_bytes())
            if trust is not None and evidence.digest == artifact.digest:
                self._require(artifact, trust, evidence)
                return evidence
        return None

    def require(self, artifact: Reference, evidence: Evidence | None) -> None:
        """Admit an artifact by what came with it.

        Raises:
            SignatureError: the policy refuses it.

        """
        trust = self._entry(artifact)
        if trust is None or trust.unsigned:
            return
        if evidence is None or evidence.digest != artifact.digest:
            raise self._refusal(artifact, "it came without its signatures")
        self._require(artifact, trust, evidence)

    def _entry(self, artifact: Reference) -> Trust | None:
        if self._policy is None:
            return None
        trust = self._policy.trust(artifact.name)
        if trust is None:
            hint = f'to trust it, write [[trust]] with name = "{artifact.name}" and keys = ["..."] there'
            raise self._refusal(artifact, "no entry is about it", hint)
        return trust

    def _require(self, artifact: Reference, trust: Trust, evidence: Evidence) -> None:
        if self._policy is None:
            return
        try:
            evidence.signer(self._policy.keys(trust))
        except SignatureError as error:
            hint = f'the entry "{trust.name}" wants a signature by {_either(trust)}'
            raise self._refusal(artifact, error.message, hint) from error

    def _refusal(self, artifact: Reference, why: str, hint: str | None = None) -> SignatureError:
        path = shown(self._policy.path) if self._policy else ""
        message = f"{artifact} is refused by the policy {path}: {why}"
        return SignatureError(message, hint=hint, reference=str(artifact))

    def _place(self, digest: str) -> Path:
        try:
            return self._cache.root / "builds" / "signatures" / f"{hex_of(digest)}.json"
        except ArtifactError as error:
            raise SignatureError(error.message) from error


def _either(trust: Trust) -> str:
    names = [key if len(key.splitlines()) == 1 else "the key that is written there" for key in trust.keys]
    return " or ".join(dict.fromkeys(names))
