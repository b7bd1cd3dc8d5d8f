"""From an app of the assignment to what workers are told: fetched, verified, compiled, with the values of its names."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakValueDictionary

from pydantic import ValidationError

from wisp.errors import LatticeError
from wisp.host.resolve import Place, resolve
from wisp.host.secrets import secrets
from wisp.lattice.nats.tasks import gathered
from wisp.lattice.running import folders
from wisp.lattice.running.blobs import Blobs
from wisp.lattice.running.foreign import Foreign
from wisp.lattice.running.readiness import probe
from wisp.lattice.running.tidying import Tidying
from wisp.lattice.running.triggers import without
from wisp.manifest.locked import LockedApp
from wisp.registry.artifacts import artifact, artifacts, forget

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wisp.host.log import Log
    from wisp.host.rehearsal import Probe
    from wisp.host.settings import JsonObject
    from wisp.lattice.configuration import Configured
    from wisp.lattice.records import Placed
    from wisp.lattice.running.keyring import Keyring
    from wisp.lattice.running.remembered import Remembered
    from wisp.lattice.state import State
    from wisp.registry.cache import Cache


@dataclass(frozen=True, slots=True)
class _Source:
    """Where an app comes from."""

    hosts: tuple[str, ...]
    """Those that are to run it, and so look for it too."""

    lattice: State | None
    """None while NATS is away."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An app that workers can be told to serve."""

    app: str
    digest: str
    configuration: str | None
    """The digest of what it is configured with."""

    jobs: bool
    """Whether its jobs run here: on one of its hosts they do."""

    told: JsonObject = field(compare=False, repr=False)
    """The locked app with what only this machine knows, the values of secrets too."""

    artifacts: Mapping[str, JsonObject] = field(compare=False)
    blobs: tuple[str, ...] = field(compare=False)
    """What it consists of, by digest: what other hosts may get from here."""
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
        keyring: Keyring,
    ) -> None:
        """Prepare with variables of `environment` only: whoever deploys an app does not see all of the host's."""
        self._cache = cache
        self._remembered = remembered
        self._environment = environment
        self._log = log
        self.keyring = keyring
        self._arriving: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.blobs = Blobs(keyring.host, cache, remembered)
        self.tidying = Tidying(remembered, cache)

    async def prepare(
        self, placed: Placed, host: str, configuration: str | None, lattice: State | None
    ) -> Prepared:
        """Make an app ready with a configuration; `lattice` is where to fetch from, while NATS is there. Raises WispError."""
        source = _Source(placed.everywhere, lattice)
        app = await self._locked(placed.digest, source)
        if app.name != placed.app:
            message = f"the object {placed.digest} is the app {app.name}, not {placed.app}"
            raise LatticeError(message, hint="deploy the app again")
        refuse_foreign(app)
        digests = list(dict.fromkeys(component.digest for component in app.components.values()))
        packed = folders.digests(app)
        await gathered(
            [
                *(self._component(digest, source) for digest in digests),
                *(self._folder(digest, source) for digest in packed),
            ]
        )
        compiled = await artifacts(self._cache, digests, report=self._report)
        jobs = placed.runs_jobs(host)
        configured = await self.keyring.configured(app.name, configuration, lattice)
        return Prepared(
            app=placed.app,
            digest=placed.digest,
            configuration=configuration,
            jobs=jobs,
            told=await self._told(app, configured, jobs=jobs),
            artifacts={found.digest: found.document() for found in compiled.values()},
            blobs=(placed.digest, *digests, *packed),
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

    async def locked(self, placed: Placed, lattice: State | None) -> LockedApp:
        """Return the locked app of a version, which is remembered from then on. Raises WispError."""
        return await self._locked(placed.digest, _Source(placed.everywhere, lattice))

    async def _locked(self, digest: str, source: _Source) -> LockedApp:
        async with self._alone(digest):
            content = await asyncio.to_thread(self._remembered.locked, digest)
            if content is None:
                content = await self._fetched(digest, source)
                await asyncio.to_thread(self._remembered.keep_locked, content)
                await self.blobs.offer(digest, source.lattice)
        return read_locked(content)

    async def _component(self, digest: str, source: _Source) -> None:
        async with self._alone(digest):
            if not self._cache.has(digest):
                await asyncio.to_thread(self._cache.add, await self._fetched(digest, source))
                await asyncio.to_thread(self._remembered.note_fetched, digest)
                await self.blobs.offer(digest, source.lattice)

    async def _folder(self, digest: str, source: _Source) -> None:
        async with self._alone(digest):
            if not await asyncio.to_thread(self._remembered.unpacked_path(digest).is_dir):
                await folders.unpack(await self._fetched(digest, source), digest, self._remembered)
                await self.blobs.offer(digest, source.lattice)

    def _alone(self, digest: str) -> asyncio.Lock:
        """Return what is held while a blob is fetched: apps share components, and routes are looked up while their app is prepared."""
        return self._arriving.setdefault(digest, asyncio.Lock())

    async def _fetched(self, digest: str, source: _Source) -> bytes:
        self._report(f"fetching {digest[:19]}")
        return await self.blobs.fetch(digest, source.hosts, source.lattice)

    async def _told(self, app: LockedApp, configured: Configured, *, jobs: bool) -> JsonObject:
        locked = folders.placed(configured.apply(app.to_data()), self._remembered)
        folder = self._remembered.folder / "apps" / app.name
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        values = await self._secrets(app, configured, folder)
        place = Place.of(app.name, folder, self._remembered.folder / "state")
        told = resolve(locked, place, values, environment=self._environment, missing=self._missing)
        return told if jobs else without(told, ("cron",))

    async def _secrets(self, app: LockedApp, configured: Configured, folder: Path) -> dict[str, str]:
        """Return the secrets that an app names: those that were set in the lattice, and the others from this host's environment."""
        named = cast("Mapping[str, JsonObject]", app.to_data()["secrets"])
        given = {name: value for name, value in configured.secrets.items() if name in named}
        others = {name: source for name, source in named.items() if name not in given}
        for name, source in others.items():
            where = source["environment"]
            if where is None or (where not in self._environment and source["default"] is None):
                message = f"there is no secret {name}: it was not set in the lattice"
                message += f", and this host was not started with --environment {where}" if where else ""
                raise LatticeError(message, hint=f"`wisp secret set {app.name} {name}`")
        return {**given, **(await secrets(others, folder, self._environment) if others else {})}


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
    if one := next(foreign(app), None):
        raise LatticeError(one.message, hint=one.hint)


def foreign(app: LockedApp) -> Iterator[Foreign]:
    """Return what an app needs that only the machine of its author has."""
    yield from folders.foreign(app)
    for name, component in app.components.items():
        for number, target in enumerate(component.grants.http):
            if target.certificate or target.key:
                message = (
                    f"component {name} has a certificate of its own for {target.text}, whose key would not be kept from"
                    " whoever reads the lattice's NATS"
                )
                yield Foreign(name, ("grants", "http", number, "certificate"), message, _SERVED_HERE)


_SERVED_HERE: Final = "`wisp up` serves it, on the machine where the key is"
