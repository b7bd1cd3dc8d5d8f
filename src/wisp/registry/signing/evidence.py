"""What speaks for an artifact: its manifest, and the signatures that were found. It can be looked at again without the registry.

So it is kept in the cache, by digest, and travels into a lattice with an app.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from wisp.errors import RegistryError, SignatureError
from wisp.registry.oci import documents
from wisp.registry.oci.documents import ImageManifest, Index
from wisp.registry.signing.statements import Signature, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wisp.registry.signing.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one artifact."""

    manifests: tuple[bytes, ...]
    """The artifact's last; before it the index that has it, where it was found in one."""

    signatures: tuple[Signature, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of the manifests."""
        return tuple(f"sha256:{hashlib.sha256(manifest).hexdigest()}" for manifest in self.manifests)

    @property
    def digest(self) -> str:
        """The artifact's."""
        return self.digests[-1]

    @property
    def component(self) -> str | None:
        """The digest of the component, where the artifact is one."""
        manifest = documents.parse(self.manifests[-1], self.digest)
        return manifest.layers[0].digest if isinstance(manifest, ImageManifest) and manifest.layers else None

    def signer(self, keys: Sequence[PublicKey]) -> PublicKey:
        """Return the key with which the artifact was signed, or the index that has it.

        Raises:
            SignatureError: with none of these, or not at all; the message says why, as the end of a sentence.

        """
        self._require_chain()
        reasons: dict[str, None] = {}
        for signature in self.signatures:
            for digest in self.digests:
                try:
                    return judge(signature, digest, keys)
                except SignatureError as error:
                    reasons[error.message] = None
        raise SignatureError("; ".join(reasons) or "it is not signed")

    def to_bytes(self) -> bytes:
        """Write it, the same bytes for the same evidence."""
        document = {
            "schema": 1,
            "manifests": [base64.b64encode(manifest).decode() for manifest in self.manifests],
            "signatures": [signature.document() for signature in self.signatures],
        }
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def read(cls, content: bytes) -> Evidence:
        """Read it.

        Raises:
            SignatureError: it is none.

        """
        try:
            data = json.loads(content)
            written = data["manifests"] if data["schema"] == 1 else ()
            first, *rest = (base64.b64decode(text, validate=True) for text in written)
            return cls((first, *rest), tuple(Signature.of(one) for one in data["signatures"]))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SignatureError("what is kept of its signatures cannot be read") from error

    def _require_chain(self) -> None:
        """Refuse manifests of which one does not name the next."""
        for (above, below), digest in zip(pairwise(self.manifests), self.digests[1:], strict=True):
            try:
                index = documents.parse(above, digest)
            except RegistryError as error:
                raise SignatureError(error.message) from error
            if not isinstance(index, Index) or all(one.digest != digest for one in index.manifests):
                message = f"the index that it was found in does not name it ({len(below)} bytes)"
                raise SignatureError(message)
