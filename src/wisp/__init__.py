"""wisp builds, composes, runs and orchestrates microservices that are WebAssembly components.

This module is the whole public API.
"""

from wisp.errors import (
    ArtifactError,
    BuildError,
    ComponentError,
    HostError,
    ManifestError,
    ToolchainError,
    WispError,
    WitError,
)
from wisp.host.embedded import Host

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "BuildError",
    "ComponentError",
    "Host",
    "HostError",
    "ManifestError",
    "ToolchainError",
    "WispError",
    "WitError",
    "__version__",
]
