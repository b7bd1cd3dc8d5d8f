"""The locked app: the JSON that a worker is told to run, with every component named by its digest.

It is the same data as `locked.rs` of the core reads, which refuses keys that it does not know. All values are
resolved here (bytes, milliseconds, canonical routes), so that nothing behind this point has defaults of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from wisp.manifest import copies, templates
from wisp.manifest.targets import SOCKET_SCHEMES, Target, TargetKind, parse_target
from wisp.manifest.triggers import Convention, HttpTrigger
from wisp.manifest.units import to_milliseconds
from wisp.manifest.values import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.grants import Grants, HttpGrant
    from wisp.manifest.links import Link
    from wisp.manifest.models import Component, Limits, Manifest
    from wisp.manifest.subscriptions import Subscription


class _Locked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedResponse(_Locked):
    """An answer that needs no component."""

    status: int
    headers: dict[str, str]
    body: str


class LockedRoute(_Locked):
    """One route of the HTTP trigger; no methods or hosts means any."""

    route: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    component: str | None
    response: LockedResponse | None
    convention: Convention


class LockedLimits(_Locked):
    """What a component may use, per host: bytes, milliseconds and counts."""

    memory: int
    timeout_ms: int
    concurrency: int
    queue: int
    queue_timeout_ms: int
    body: int
    headers: int
    response: int
    cpu_ms: int
    table: int
    handles: int
    outbound: int
    connections: int
    download: int
    log: int
    store: int
    file: int
    files: int


class LockedInstances(_Locked):
    """How instances of a component are reused."""

    reuse: int
    idle_ms: int
    concurrency: int


class LockedLink(_Locked):
    """Which component answers an interface, and how it is called. What is fused is inside the component already."""

    component: str
    mode: Literal["bridged", "remote"]
    app: str | None = None
    """The app that it belongs to; None for the same one."""

    idempotent: bool = False

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what workers of earlier versions do not know, where it says nothing."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if key in ("component", "mode") or value}


class LockedTarget(_Locked):
    """Where a component may send something."""

    text: str
    """As the manifest has it."""

    scheme: str
    kind: TargetKind
    host: str
    first_port: int
    last_port: int
    private: bool
    """Whether a name may lead to private addresses."""

    roots: str | None
    certificate: str | None
    key: str | None


class LockedCopy(_Locked):
    """A file or folder that a component sees elsewhere."""

    source: str
    to: str


class LockedFolder(_Locked):
    """A folder that a component sees."""

    source: str
    """As the manifest has it; absolute in what workers are told."""

    mount: str
    write: bool
    include: tuple[str | LockedCopy, ...]
    """What `source` is a copy of; empty when it is the folder itself. Workers are not told."""

    exclude: tuple[str, ...]


class LockedValue(_Locked):
    """One value of a configuration, or the name of a secret."""

    value: str | None
    secret: str | None
    template: str | None
    """Text with the names of secrets in it."""


class LockedSecret(_Locked):
    """Where a secret comes from; one of the three."""

    environment: str | None
    file: str | None
    command: str | None
    default: str | None


class LockedGrants(_Locked):
    """What a component may use."""

    http: tuple[LockedTarget, ...]
    sockets: tuple[LockedTarget, ...]
    environment: tuple[str, ...]
    files: tuple[LockedFolder, ...]
    keyvalue: tuple[str, ...]
    blobstore: tuple[str, ...]
    sqlite: tuple[str, ...]
    messaging: tuple[str, ...]
    config: dict[str, LockedValue]


class LockedCron(_Locked):
    """When a component runs."""

    schedule: str
    timezone: str
    overlap: bool
    component: str


class LockedSubscription(_Locked):
    """Which messages a component takes."""

    subject: str
    group: str
    component: str
    ordered: bool
    attempts: int
    backoff_ms: int
    most_backoff_ms: int
    dead_letter: str


class LockedComponent(_Locked):
    """One component."""

    digest: Digest
    environment: dict[str, str]
    grants: LockedGrants
    limits: LockedLimits
    instances: LockedInstances
    links: dict[str, LockedLink]
    """By imported interface."""

    offers: dict[str, tuple[str, ...]] = Field(default={})
    """By exported interface: the apps that may call it, or `*`."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what workers of earlier versions do not know, where it says nothing."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if key != "offers" or value}


class LockedApp(_Locked):
    """One app."""

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str
    version: str
    health: str | None = None
    """What is asked to see whether the app is well. Workers are not told, and what is not said is not written, for hosts that do not know it."""

    http: tuple[LockedRoute, ...]
    cron: tuple[LockedCron, ...]
    messaging: tuple[LockedSubscription, ...] = ()
    secrets: dict[str, LockedSecret]
    """Those that a component's configuration names."""

    components: dict[str, LockedComponent]

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = write(self)
        if self.health is None:
            del data["health"]
        if not self.messaging:
            del data["messaging"]
        return data

    def to_json(self) -> str:
        """Write the app."""
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
    run = {name: component for name, component in manifest.component.items() if name in digests}
    return LockedApp(
        name=manifest.app.name,
        version=manifest.app.version,
        health=manifest.app.health,
        http=tuple(_route(trigger) for trigger in manifest.http),
        cron=tuple(LockedCron(**cron.model_dump()) for cron in manifest.cron),
        messaging=tuple(_subscription(one) for one in manifest.messaging),
        secrets=_secrets(manifest, run),
        components={
            name: _component(
                component, digests[name], carried.get(name, {}), _folders(manifest, name, component.grants)
            )
            for name, component in run.items()
        },
    )


def _route(trigger: HttpTrigger) -> LockedRoute:
    response = trigger.response
    return LockedRoute(
        route=trigger.route,
        methods=trigger.method,
        hosts=trigger.host,
        component=trigger.component,
        response=LockedResponse(**response.model_dump()) if response else None,
        convention=trigger.convention,
    )


def _subscription(one: Subscription) -> LockedSubscription:
    return LockedSubscription(
        subject=one.subject,
        group=one.named,
        component=one.component,
        ordered=one.ordered,
        attempts=one.attempts,
        backoff_ms=to_milliseconds(one.backoff),
        most_backoff_ms=to_milliseconds(one.most_backoff),
        dead_letter=one.aside,
    )


def _secrets(manifest: Manifest, run: Mapping[str, Component]) -> dict[str, LockedSecret]:
    values = [value for component in run.values() for value in component.grants.config.values()]
    names = {value.secret for value in values if value.secret is not None}
    names |= {name for value in values if value.template for name in templates.names(value.template)}
    secrets: dict[str, LockedSecret] = {}
    for name in sorted(names):
        secret = manifest.secrets.get(name)
        secrets[name] = (
            LockedSecret(**secret.model_dump())
            if secret
            else LockedSecret(environment=name, file=None, command=None, default=None)
        )
    return secrets


def _folders(manifest: Manifest, name: str, grants: Grants) -> tuple[LockedFolder, ...]:
    return tuple(
        LockedFolder(
            source=folder.source or copies.place(manifest.folder, name, folder),
            mount=folder.mount,
            write=folder.write,
            include=tuple(
                one if isinstance(one, str) else LockedCopy(**one.model_dump()) for one in folder.include
            ),
            exclude=folder.exclude,
        )
        for folder in grants.files
    )


def _component(
    component: Component, digest: Digest, links: Mapping[str, Link], folders: tuple[LockedFolder, ...]
) -> LockedComponent:
    instances = component.instances
    return LockedComponent(
        digest=digest,
        environment=component.environment,
        grants=_grants(component.grants, folders),
        limits=_limits(component.limits),
        instances=LockedInstances(
            reuse=instances.reuse,
            idle_ms=to_milliseconds(instances.idle),
            concurrency=instances.concurrency,
        ),
        links={
            interface: LockedLink(
                component=link.component,
                mode="remote" if link.mode == "remote" else "bridged",
                app=link.app,
                idempotent=link.idempotent,
            )
            for interface, link in links.items()
        },
        offers=component.offer,
    )


def _limits(limits: Limits) -> LockedLimits:
    return LockedLimits(
        timeout_ms=to_milliseconds(limits.timeout),
        queue_timeout_ms=to_milliseconds(limits.queue_timeout),
        cpu_ms=to_milliseconds(limits.cpu),
        **limits.model_dump(exclude={"timeout", "queue_timeout", "cpu"}),
    )


def _grants(grants: Grants, folders: tuple[LockedFolder, ...]) -> LockedGrants:
    return LockedGrants(
        http=tuple(_http(grant) for grant in grants.http),
        sockets=tuple(_target(text, parse_target(text, SOCKET_SCHEMES)) for text in grants.sockets),
        environment=grants.environment,
        files=folders,
        keyvalue=grants.keyvalue,
        blobstore=grants.blobstore,
        sqlite=grants.sqlite,
        messaging=grants.messaging,
        config={key: LockedValue(**value.model_dump()) for key, value in grants.config.items()},
    )


def _http(grant: HttpGrant) -> LockedTarget:
    files = {"roots": grant.roots, "certificate": grant.certificate, "key": grant.key}
    return _target(grant.to, grant.target).model_copy(update={"private": grant.private, **files})


def _target(text: str, target: Target) -> LockedTarget:
    first, last = target.ports
    return LockedTarget(
        text=text,
        scheme=target.scheme,
        kind=target.kind,
        host=target.host,
        first_port=first,
        last_port=last,
        private=False,
        roots=None,
        certificate=None,
        key=None,
    )
