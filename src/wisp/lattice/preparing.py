"""From an app of the assignment to what workers are told: fetched, verified, compiled, with the values of its names."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from wisp.errors import LatticeError
from wisp.host.resolve import Place, resolve
from wisp.host.secrets import secrets
from wisp.lattice.readiness import probe
from wisp.manifest.locked import LockedApp
from wisp.registry.artifacts import artifact, artifacts, forget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.host.log import Log
    from wisp.host.rehearsal import Probe
    from wisp.host.settings import JsonObject
    from wisp.lattice.objects import Objects
    from wisp.lattice.records import Placed
    from wisp.lattice.remembered import Remembered
    from wisp.registry.cache import Cache


@dataclass(frozen=True, slots=True)
class Prepared:
    """An app that workers can be told to serve."""

    app: str
    digest: str
    jobs: bool
    """Whether its jobs run here: on one of its hosts they do."""

    told: JsonObject = field(compare=False, repr=False)
    """The locked app with what only this machine knows, the values of secrets too."""

    artifacts: Mapping[str, JsonObject] = field(compare=False)
    probe: Probe | None = field(default=None, compare=False)
    """What it is asked to see whether it is ready."""


class Preparing:
    """Prepares apps on one host."""

    def __init__(
        self,
        cache: Cache,
        remembered: Remembered,
        environment: Mapping[str, str],
        log: Log,
    ) -> None:
        """Prepare with variables of `environment` only: whoever deploys an app does not see all of the host's."""
        self._cache = cache
        self._remembered = remembered
        self._environment = environment
        self._log = log

    async def prepare(self, placed: Placed, host: str, objects: Objects | None) -> Prepared:
        """Make an app ready; `objects` is where to fetch from, while NATS is there. Raises WispError."""
        app = await self._locked(placed.digest, objects)
        if app.name != placed.app:
            message = f"the object {placed.digest} is the app {app.name}, not {placed.app}"
            raise LatticeError(message, hint="deploy the app again")
        refuse_foreign(app)
        digests = [component.digest for component in app.components.values()]
        for digest in dict.fromkeys(digests):
            await self._component(digest, objects)
        compiled = await artifacts(self._cache, digests, report=self._report)
        jobs = placed.runs_jobs(host)
        return Prepared(
            app=placed.app,
            digest=placed.digest,
            jobs=jobs,
            told=await self._told(app, jobs=jobs),
            artifacts={found.digest: found.document() for found in compiled.values()},
            probe=probe(app),
        )

    async def recover(self, digest: str) -> JsonObject:
        """Compile a component anew whose artifact a worker refused. Raises WispError."""
        forget(self._cache, digest)
        return (await artifact(self._cache, digest)).document()

    def _report(self, message: str) -> None:
        self._log.event("preparing", message)

    def _missing(self, component: str, variable: str, why: str) -> None:
        message = (
            f"component {component} was granted the environment variable {variable}, which {why} or was not given"
            f" to this host with --environment {variable}"
        )
        self._log.event("environment-missing", message, level="warn", component=component, variable=variable)

    async def _locked(self, digest: str, objects: Objects | None) -> LockedApp:
        content = await asyncio.to_thread(self._remembered.locked, digest)
        if content is None:
            content = await _fetched(digest, objects)
            await asyncio.to_thread(self._remembered.keep_locked, content)
        return read_locked(content)

    async def _component(self, digest: str, objects: Objects | None) -> None:
        if not self._cache.has(digest):
            self._report(f"fetching {digest[:19]}")
            content = await _fetched(digest, objects)
            await asyncio.to_thread(self._cache.add, content)

    async def _told(self, app: LockedApp, *, jobs: bool) -> JsonObject:
        locked = app.to_data()
        folder = self._remembered.folder / "apps" / app.name
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        declared = cast("Mapping[str, JsonObject]", locked["secrets"])
        values = await secrets(declared, folder, self._environment) if declared else {}
        place = Place.of(app.name, folder, self._remembered.folder / "state")
        told = resolve(locked, place, values, environment=self._environment, missing=self._missing)
        return told if jobs else {**told, "cron": []}


def read_locked(content: bytes) -> LockedApp:
    """Read a locked app that came from elsewhere. Raises LatticeError."""
    try:
        return LockedApp.model_validate(json.loads(content))
    except (ValidationError, ValueError) as error:
        message = f"the lattice has a locked app that this wisp cannot read: {str(error).splitlines()[0]}"
        raise LatticeError(
            message, hint="deploy it again, with the version of wisp that the hosts have"
        ) from error


def refuse_foreign(app: LockedApp) -> None:
    """Refuse an app that needs what only the machine of its author has, or that would reach into the host. Raises LatticeError."""
    hint = "`wisp up` serves it, on the machine where they are"
    for name, component in app.components.items():
        for folder in component.grants.files:
            message = f"component {name} has the folder {folder.mount}, and files do not travel to the hosts of a lattice yet"
            raise LatticeError(message, hint=hint)
        for target in component.grants.http:
            if target.roots or target.certificate or target.key:
                message = f"component {name} has certificates for {target.text}, and files do not travel to the hosts of a lattice yet"
                raise LatticeError(message, hint=hint)
    for name, secret in app.secrets.items():
        if secret.file or secret.command:
            message = f"the secret {name} comes from a file or a command, which a lattice does not let an app name on its hosts"
            raise LatticeError(
                message,
                hint=f"take it from a variable, and start the hosts with --environment: [secrets.{name}]",
            )


async def _fetched(digest: str, objects: Objects | None) -> bytes:
    if objects is None:
        message = f"NATS is away, and {digest} is not on this host yet"
        raise LatticeError(message)
    return await objects.get(digest)
