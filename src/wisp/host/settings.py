"""What a worker is told: its settings, the apps, and where their artifacts are.

These are the control plane's side of the JSON that `crates/host/src/locked.rs` reads. Settings are data from the edge to
the core: nothing here has behaviour, and the worker has no default of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.host.address import Address

JsonObject = Mapping[str, object]

LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How log lines are written, by the workers and by the supervisor."""

    format: LogFormat = "text"
    access: bool = True
    color: bool = False


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The files of the server's certificate chain and key, in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Limits of the HTTP trigger of one worker, and what it believes."""

    tls: TlsSettings | None = None
    header_bytes: int = 64 * 1024
    header_timeout_ms: int = 10_000
    keep_alive_ms: int = 75_000
    max_connections: int = 10_000
    trusted_proxies: tuple[str, ...] = ()

    def document(self) -> JsonObject:
        """Return the JSON of these settings."""
        tls = self.tls and {"certificate": str(self.tls.certificate), "key": str(self.tls.key)}
        return {**asdict(self), "tls": tls, "trusted_proxies": list(self.trusted_proxies)}


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What one host needs to know before any app is loaded."""

    address: Address
    workers: int
    compiler_strategy: Literal["cranelift", "winch"] = "cranelift"
    log: LogSettings = field(default_factory=LogSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    output: int | None = None
    """The descriptor that workers write their log to; None is our own standard output."""

    drain_timeout: float = 10.0
    ready_timeout: float = 30.0
    """Seconds in which a worker must be ready: it only maps artifacts, but a loaded machine may be slow."""

    hosts: Address | None = None
    """Where other hosts of the lattice connect."""

    nats: JsonObject | None = field(default=None, repr=False)
    """The NATS of the lattice that this host belongs to, as workers are told it; there may be secrets in it."""


@dataclass(frozen=True, slots=True)
class Start:
    """The apps that one generation of workers serves."""

    apps: tuple[JsonObject, ...] = field(repr=False)
    """Locked apps with what only this machine knows, the values of secrets too (`wisp.host.resolve`)."""

    artifacts: Mapping[str, JsonObject]
    watch: tuple[Path, ...] = ()
    """Files and folders that the apps were made of."""

    lattice: JsonObject | None = field(default=None, repr=False)
    """Who this host is to other hosts of its lattice, and what runs where."""

    def message(self, worker: int, settings: HostSettings) -> JsonObject:
        """Return the control message that starts worker number `worker`."""
        return {"start": self.document(worker, settings)}

    def document(self, worker: int, settings: HostSettings) -> JsonObject:
        """Return what the core needs to load these apps, as worker number `worker`."""
        lattice = {"lattice": dict(self.lattice)} if self.lattice else {}
        return {
            **lattice,
            "settings": {
                "worker": worker,
                "workers": settings.workers,
                "compiler_strategy": settings.compiler_strategy,
                "log": asdict(settings.log),
                "http": settings.http.document(),
            },
            "apps": list(self.apps),
            "artifacts": dict(self.artifacts),
            **({"nats": settings.nats} if settings.nats else {}),
        }

    def with_artifact(self, digest: str, artifact: JsonObject) -> Start:
        """Return the same apps with one artifact compiled anew."""
        return replace(self, artifacts={**self.artifacts, digest: artifact})
