"""The locked app: the JSON that a worker is told to run, with every component named by its digest.

It is the same data as `locked.rs` of the core reads, which refuses keys that it does not know. All values are
resolved here (bytes, milliseconds, canonical routes), so that nothing behind this point has defaults of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wisp.manifest.digests import Digest
from wisp.manifest.units import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.links import Link
    from wisp.manifest.models import Component, HttpTrigger, Manifest


class _Locked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedRoute(_Locked):
    """One route of the HTTP trigger; no methods or hosts means any."""

    route: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    component: str


class LockedLimits(_Locked):
    """What a component may use, per host: bytes, milliseconds and counts."""

    memory: int
    timeout_ms: int
    concurrency: int
    queue: int
    queue_timeout_ms: int
    body: int


class LockedInstances(_Locked):
    """How instances of a component are reused."""

    reuse: int
    idle_ms: int
    concurrency: int


class LockedLink(_Locked):
    """Which component answers an interface, and how it is called. What is fused is inside the component already."""

    component: str
    mode: Literal["bridged"]


class LockedComponent(_Locked):
    """One component."""

    digest: Digest
    environment: dict[str, str]
    limits: LockedLimits
    instances: LockedInstances
    links: dict[str, LockedLink]
    """By imported interface."""


class LockedApp(_Locked):
    """One app."""

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str
    version: str
    http: tuple[LockedRoute, ...]
    components: dict[str, LockedComponent]

    def to_json(self) -> str:
        """Write the app as workers read it."""
        return self.model_dump_json(by_alias=True)

    def to_data(self) -> dict[str, Any]:
        """Return the app as it goes into a message to a worker."""
        return self.model_dump(mode="json", by_alias=True)


def lock_app(
    manifest: Manifest,
    digests: Mapping[str, Digest],
    bridges: Mapping[str, Mapping[str, Link]] | None = None,
) -> LockedApp:
    """Put a manifest and the digests of its components together.

    Args:
        manifest: The manifest, with its profile applied.
        digests: By component, of every component that the host runs. One that is only fused into others is not run.
        bridges: By component, by interface: the links that the host carries.

    """
    carried = bridges or {}
    return LockedApp(
        name=manifest.app.name,
        version=manifest.app.version,
        http=tuple(_route(trigger) for trigger in manifest.http),
        components={
            name: _component(component, digests[name], carried.get(name, {}))
            for name, component in manifest.component.items()
            if name in digests
        },
    )


def _route(trigger: HttpTrigger) -> LockedRoute:
    return LockedRoute(
        route=trigger.route, methods=trigger.method, hosts=trigger.host, component=trigger.component
    )


def _component(component: Component, digest: Digest, links: Mapping[str, Link]) -> LockedComponent:
    limits, instances = component.limits, component.instances
    return LockedComponent(
        digest=digest,
        environment=component.environment,
        limits=LockedLimits(
            memory=limits.memory,
            timeout_ms=to_milliseconds(limits.timeout),
            concurrency=limits.concurrency,
            queue=limits.queue,
            queue_timeout_ms=to_milliseconds(limits.queue_timeout),
            body=limits.body,
        ),
        instances=LockedInstances(
            reuse=instances.reuse,
            idle_ms=to_milliseconds(instances.idle),
            concurrency=instances.concurrency,
        ),
        links={
            interface: LockedLink(component=link.component, mode="bridged")
            for interface, link in links.items()
        },
    )
