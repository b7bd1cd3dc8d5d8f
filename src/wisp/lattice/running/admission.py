"""What a host's policy says of an app that came from a registry.

Whoever deploys it puts what speaks for the artifact beside it, so hosts judge by themselves and need no registry. That what is to run is what was in that
artifact is the word of who deployed it: links are settled there, and a component that others were fused into is in no registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.errors import LatticeError
from wisp.manifest.references import parse_reference
from wisp.registry.signing.evidence import Evidence

if TYPE_CHECKING:
    from wisp.lattice.records import App, Placed
    from wisp.registry.signing.gate import Gate


def admit(gate: Gate, app: App | None, placed: Placed) -> None:
    """Let a version of an app run here.

    Raises:
        SignatureError: the policy refuses the artifact that it came from.
        LatticeError: nobody can read where it came from.

    """
    source = app.origin(placed.digest) if app is not None else None
    if app is None or source is None:
        return
    try:
        artifact = parse_reference(source)
    except ValueError as error:
        message = f"where {app.name} came from cannot be read: {error}"
        raise LatticeError(message) from error
    evidence = app.evidence.get(source)
    gate.require(artifact, Evidence.read(evidence.encode()) if evidence else None)
