"""`wisp up`: builds apps and serves them, until a signal says to stop.

The command puts together what does not know each other: preparing (manifest, builders, cache) and the host. It is
measured by how soon the first request is answered, so nothing is imported before it is needed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import errors, output
from wisp.cli.parser import UsageError, add_logging, add_processes, add_registries, seconds, variables
from wisp.cli.screen import Screen
from wisp.host import cpus
from wisp.host.address import Address
from wisp.host.log import Log
from wisp.host.service import Service, Surroundings
from wisp.host.settings import HostSettings, HttpSettings, LogSettings, Start, TlsSettings
from wisp.manifest.references import is_remote

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from wisp.cli.prepare import PreparedApp, PrepareOptions
    from wisp.errors import WispError
    from wisp.host.service import Listening
    from wisp.host.settings import JsonObject
    from wisp.manifest.spin.runtime import RuntimeConfig

MOST_WORKERS = 512


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp up`."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="folders with a wisp.toml or a spin.toml, such files, folders with one component, .wasm files, or references of"
        " OCI registries such as ghcr.io/acme/shop:1.2 (default: this folder)",
    )
    _add_serving(parser)
    _add_learning(parser)
    _add_preparing(parser)
    _add_http(parser)
    _add_spin(parser)
    add_registries(parser)


def _add_serving(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("serving")
    group.add_argument(
        "--listen",
        default="127.0.0.1:3000",
        metavar="HOST:PORT",
        help="where to listen (default: %(default)s)",
    )
    add_processes(group)
    group.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="where the stores of apps are, each below its name (default: .wisp/state beside the manifest)",
    )
    add_logging(group)


def _add_learning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("grants")
    group.add_argument(
        "--learn",
        action="store_true",
        help="at the end, print the grants that components asked for and were refused, with those that they have, as"
        " tables for wisp.toml. It grants nothing by itself: paste them, and repeat until nothing is missing",
    )
    group.add_argument(
        "--learn-to", type=Path, metavar="FILE", help="the same, and write them to a file as well"
    )


def _add_preparing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("building")
    group.add_argument("--watch", action="store_true", help="build and reload when a source changes")
    group.add_argument("--dev", action="store_true", help="compile quickly instead of for speed")
    group.add_argument("--profile", metavar="NAME", help="apply [profile.NAME] of the manifest")
    group.add_argument("--locked", action="store_true", help="fail rather than change wisp.lock")


def _add_spin(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("apps of Spin")
    group.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="the value of a variable of a spin.toml; may be repeated",
    )
    group.add_argument(
        "--runtime-config", type=Path, metavar="FILE", help="a runtime-config.toml of Spin, for a spin.toml"
    )


def _add_http(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("HTTP")
    group.add_argument(
        "--tls-certificate", type=Path, metavar="FILE", help="serve TLS with this certificate (PEM)"
    )
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key (PEM)")
    group.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="CIDR",
        help="a proxy whose forwarding headers are believed, for example 10.0.0.0/8; may be repeated",
    )
    group.add_argument(
        "--max-connections",
        type=int,
        default=10_000,
        metavar="N",
        help="open connections, all workers together (default: %(default)s)",
    )
    group.add_argument(
        "--header-timeout", default="10s", metavar="TIME", help="for a request's head (default: %(default)s)"
    )
    group.add_argument(
        "--keep-alive", default="75s", metavar="TIME", help="for an idle connection (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve, and return the exit code."""
    settings = _settings(arguments)
    if (arguments.learn or arguments.learn_to) and len(arguments.paths) > 1:
        raise UsageError("--learn learns for one app at a time")
    admin = None if arguments.no_admin else Address.parse(arguments.admin)
    command = _Up(arguments, settings)
    return asyncio.run(Service(settings, command.around(), admin=admin, watch=arguments.watch).run())


class _Up:
    """One run of the command: what the host calls back for."""

    def __init__(self, arguments: argparse.Namespace, settings: HostSettings) -> None:
        self._places: list[str] = arguments.paths or ["."]
        self._states: dict[Path, Path] = {}
        """Where the stores of apps of registries are, by the folder of the app."""

        self._variables = variables(arguments.variable)
        self._arguments = arguments
        self._runtime_config: RuntimeConfig | None = None
        self._strategy = settings.compiler_strategy
        self._log = Log(settings.log)
        self._screen = Screen(shown=settings.log.format == "text" or sys.stderr.isatty())
        self._progress = output.Progress()
        self._prepared: tuple[PreparedApp, ...] = ()
        self._served: tuple[PreparedApp, ...] = ()

    def around(self) -> Surroundings:
        return Surroundings(
            prepare=self._prepare,
            recover=self._recover,
            listening=self._listening,
            failed=self._failed,
            log=self._log,
            reloaded=self._reloaded,
            denied=self._denied,
        )

    async def _prepare(self) -> Start:
        from wisp.cli.prepare import prepare  # noqa: PLC0415 - while this loads, the workers start

        try:
            self._read_runtime_config()
            paths = [await self._path(place) for place in self._places]
            apps = await prepare(paths, self._options(), self._progress.report)
        finally:
            self._progress.close()
        self._prepared = apps
        for remark in (remark for app in apps for remark in app.remarks):
            self._progress.say(f"note: {remark}")
        return await self._start(apps)

    def _read_runtime_config(self) -> None:
        """Read it once for each start: all that goes by it goes by the same."""
        path: Path | None = self._arguments.runtime_config
        if path is not None:
            from wisp.manifest.spin import runtime  # noqa: PLC0415 - slow to import, and rarely needed

            self._runtime_config = runtime.load(path)

    async def _path(self, place: str) -> Path:
        """Return what is to be served: what lies at a path, or an app of a registry that was put on this machine."""
        if not is_remote(place):
            return Path(place)
        from wisp.cli import registries, remote  # noqa: PLC0415 - the same

        app = await remote.fetched(registries.reference_of(place), self._options(), self._progress.report)
        self._states[app.path if app.path.is_dir() else app.path.parent] = app.state
        return app.path

    async def _start(self, apps: tuple[PreparedApp, ...]) -> Start:
        locked = [app.locked for app in apps]
        if len(apps) > 1:
            from wisp.host.clashes import first_speaks, refuse_clashes  # noqa: PLC0415 - one app cannot clash

            await asyncio.to_thread(refuse_clashes, locked := first_speaks(locked))
        return Start(
            apps=tuple([await self._resolved(app, one) for app, one in zip(apps, locked, strict=True)]),
            artifacts={digest: artifact for app in apps for digest, artifact in app.artifacts.items()},
            watch=tuple(path for app in apps for path in app.watch),
        )

    async def _resolved(self, app: PreparedApp, locked: JsonObject) -> JsonObject:
        from wisp.cli import ground  # noqa: PLC0415 - while this loads, the workers start

        state: Path | None = self._arguments.state or self._states.get(app.folder)
        given = ground.Given(self._variables, state, self._runtime_config)
        return await ground.resolved(app, locked, given, missing=self._missing)

    def _missing(self, component: str, variable: str, why: str) -> None:
        message = f"component {component} was granted the environment variable {variable}, which {why}"
        self._log.event("environment-missing", message, level="warn", component=component, variable=variable)

    def _listening(self, listening: Listening) -> None:
        self._served = self._prepared
        self._screen.listening(listening, self._served)

    def _reloaded(self) -> None:
        from wisp.cli.changes import changes  # noqa: PLC0415 - a start does not need it

        for change in changes(self._served, self._prepared):
            self._log.event("component-changed", change.message, level="info", **change.details)
        self._served = self._prepared

    def _denied(self, denials: Sequence[Mapping[str, object]]) -> None:
        target: Path | None = self._arguments.learn_to
        if self._arguments.learn or target:
            from wisp.cli.learned import learned  # noqa: PLC0415 - only when somebody wants to learn

            text = learned(self._served[0], denials)
            print(f"\n{text}", end="", file=sys.stderr)
            if target is not None:
                output.deliver(text, target)

    def _options(self) -> PrepareOptions:
        from wisp.cli.prepare import PrepareOptions  # noqa: PLC0415 - as above

        return PrepareOptions(
            profile=self._arguments.profile,
            strategy=self._strategy,
            release=not self._arguments.dev,
            locked=self._arguments.locked,
            variables=tuple(self._variables.items()),
            runtime_config=self._runtime_config,
            insecure=tuple(self._arguments.insecure),
            authority=self._arguments.ca,
            policy=self._arguments.policy,
        )

    async def _recover(self, digest: str) -> Mapping[str, object]:
        from wisp.cli.prepare import recompile  # noqa: PLC0415 - as above

        return await recompile(digest, self._strategy)

    def _failed(self, error: WispError) -> None:
        for line in errors.describe(error):
            self._progress.say(line)


def _settings(arguments: argparse.Namespace) -> HostSettings:
    workers = cpus.usable() if arguments.workers is None else arguments.workers
    if not 1 <= workers <= MOST_WORKERS:
        message = f"--workers must be 1 to {MOST_WORKERS}, not {workers}"
        raise UsageError(message)
    terminal = sys.stdout.isatty()
    return HostSettings(
        address=Address.parse(arguments.listen),
        workers=workers,
        compiler_strategy="winch" if arguments.dev else "cranelift",
        log=LogSettings(
            format=arguments.log_format or ("text" if terminal else "json"),
            access=not arguments.no_access_log,
            color=output.coloured(sys.stdout),
        ),
        http=_http(arguments, workers),
        drain_timeout=seconds(arguments.drain_timeout, "--drain-timeout"),
    )


def _http(arguments: argparse.Namespace, workers: int) -> HttpSettings:
    if arguments.max_connections < 1:
        raise UsageError("--max-connections must be at least 1")
    return HttpSettings(
        tls=_tls(arguments.tls_certificate, arguments.tls_key),
        header_timeout_ms=_milliseconds(arguments.header_timeout, "--header-timeout"),
        keep_alive_ms=_milliseconds(arguments.keep_alive, "--keep-alive"),
        # The limit is the host's; each worker gets its share, rounded up, as with the limits of components.
        max_connections=-(-arguments.max_connections // workers),
        trusted_proxies=tuple(_network(text) for text in arguments.trusted_proxy),
    )


def _tls(certificate: Path | None, key: Path | None) -> TlsSettings | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-certificate and --tls-key belong together")
    for path in (certificate, key):
        if not os.access(path, os.R_OK) or not path.is_file():
            message = f"cannot read {path}"
            raise UsageError(message)
    return TlsSettings(certificate.resolve(), key.resolve())


def _network(text: str) -> str:
    import ipaddress  # noqa: PLC0415 - rarely needed

    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        message = f"--trusted-proxy {text}: {error}"
        raise UsageError(message, hint="write a network such as 10.0.0.0/8, or one address") from error


def _milliseconds(text: str, option: str) -> int:
    return round(seconds(text, option) * 1000)
