"""The only door to the extension module `wisp._core`: typed data in, typed data out.

The extension is loaded at the first call, not at import: a command that does not need the core does not pay for it.
What the core raises are the classes of `wisp.errors`.
"""

from wisp.native.bindings import Binding, bindings
from wisp.native.component import ComponentInfo, Producers, Profile, Resources
from wisp.native.core import (
    Adapter,
    Serving,
    Strategy,
    described,
    encode,
    engine_key,
    inspect,
    merge,
    preview1_to_component,
    run_command,
    serve,
    version,
)
from wisp.native.embedding import (
    Chunks,
    Described,
    EmbeddedComponent,
    EmbeddedInstance,
    EmbeddedModule,
    EmbeddedModuleInstance,
    Embedding,
    Feed,
    Handle,
    describe,
    embedding,
)
from wisp.native.links import Interfaces, Part, check_link, compose, interfaces
from wisp.native.wit import wit_check, wit_decode, wit_read, wit_try_link, wit_try_world

__all__ = [
    "Adapter",
    "Binding",
    "Chunks",
    "ComponentInfo",
    "Described",
    "EmbeddedComponent",
    "EmbeddedInstance",
    "EmbeddedModule",
    "EmbeddedModuleInstance",
    "Embedding",
    "Feed",
    "Handle",
    "Interfaces",
    "Part",
    "Producers",
    "Profile",
    "Resources",
    "Serving",
    "Strategy",
    "bindings",
    "check_link",
    "compose",
    "describe",
    "described",
    "embedding",
    "encode",
    "engine_key",
    "inspect",
    "interfaces",
    "merge",
    "preview1_to_component",
    "run_command",
    "serve",
    "version",
    "wit_check",
    "wit_decode",
    "wit_read",
    "wit_try_link",
    "wit_try_world",
]
