"""Which grant an imported interface asks for, by its name.

This is the same division that the host makes: what is free is what `deny.rs` of the core leaves to every component, and for each
grant there is a capability that looks at it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "http", "sockets", "environment", "files", "keyvalue", "blobstore", "sqlite", "messaging", "config"
]
"""A key of `[component.NAME.grants]`."""

Access: TypeAlias = Kind | Literal["free", "absent"]
"""What an interface asks for: a grant, nothing, or something that this host does not have."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

COMMON: Final[frozenset[Kind]] = frozenset({"environment", "files", "sockets"})
"""What the standard libraries of most languages import, whether or not a program uses it; without a grant it finds nothing."""

PLACEHOLDERS: Final[dict[Kind, str]] = {
    "http": 'http = ["https://..."]',
    "sockets": 'sockets = ["tcp://...:..."]',
    "environment": 'environment = ["..."]',
    "files": 'files = [{ source = "...", mount = "/..." }]',
    "keyvalue": 'keyvalue = ["default"]',
    "blobstore": 'blobstore = ["..."]',
    "sqlite": 'sqlite = ["default"]',
    "messaging": 'messaging = ["..."]',
    "config": 'config = { "..." = "..." }',
}
"""By grant, how it is written where nobody knows more than the import: `...` is for the reader to fill in."""

_FREE: Final = (
    "wasi:io/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-std",
    "wasi:cli/exit",
    "wasi:cli/types",
    "wasi:http/types",
    "wasi:logging/",
)
_GRANTED: Final[dict[str, Kind]] = {
    "wasi:http/": "http",
    "wasi:sockets/": "sockets",
    "wasi:cli/environment": "environment",
    "wasi:filesystem/": "files",
    "wasi:keyvalue/": "keyvalue",
    "wisp:keyvalue/": "keyvalue",
    "fermyon:spin/key-value": "keyvalue",
    "spin:key-value/": "keyvalue",
    "wasi:blobstore/": "blobstore",
    "wisp:sqlite/": "sqlite",
    "fermyon:spin/sqlite": "sqlite",
    "spin:sqlite/": "sqlite",
    "wisp:messaging/": "messaging",
    "wasi:config/": "config",
    "fermyon:spin/config": "config",
    "fermyon:spin/variables": "config",
    "spin:variables/": "config",
}


def access(interface: str) -> Access:
    """Say what an imported interface asks for."""
    if interface.startswith(_FREE):
        return "free"
    return next((kind for prefix, kind in _GRANTED.items() if interface.startswith(prefix)), "absent")
