"""wisp builds, composes, runs and orchestrates microservices that are WebAssembly components.

This module is the whole public API.
"""

from wisp.errors import (
    ArtifactError,
    BuildError,
    CallError,
    ComponentError,
    GuestError,
    HostError,
    InstanceClosed,
    LatticeError,
    LinkError,
    ManifestError,
    MemoryLimit,
    RegistryError,
    SignatureError,
    StoreError,
    Timeout,
    ToolchainError,
    Trap,
    TypeMismatch,
    WispError,
    WitError,
)
from wisp.host.embed.limits import Limits
from wisp.host.embedded import Host
from wisp.wit.values import Err, Ok, Some

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "BuildError",
    "CallError",
    "ComponentError",
    "Err",
    "GuestError",
    "Host",
    "HostError",
    "InstanceClosed",
    "LatticeError",
    "Limits",
    "LinkError",
    "ManifestError",
    "MemoryLimit",
    "Ok",
    "RegistryError",
    "SignatureError",
    "Some",
    "StoreError",
    "Timeout",
    "ToolchainError",
    "Trap",
    "TypeMismatch",
    "WispError",
    "WitError",
    "__version__",
]
