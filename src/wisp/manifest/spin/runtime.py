"""`runtime-config.toml` of Spin: what of it can be said here.

Stores are files of ours in one folder, so `type = "spin"` is the type that there is, and a `path` of its own is refused: a file of
Spin is not one of ours. Everything else that Spin can be told is either applied, refused by name, or without effect because what it is
about is not here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, Strict, ValidationError

from wisp.manifest import document, problems
from wisp.manifest.positions import positions
from wisp.manifest.problems import Problem
from wisp.manifest.spin.models import Ignored, Texts
from wisp.manifest.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wisp.manifest.positions import Path as KeyPath

_OTHER_STORES: Final = {"redis", "azure_cosmos", "aws_dynamo", "libsql"}
_LEAST_MEMORY: Final = 64 * 2**10


class Store(Table):
    """A store of keys and values, or a database."""

    type: Literal["spin"]
    path: str | None = None
    allow_attach_file: bool = False


class Provider(Table):
    """Where values of variables come from."""

    type: Literal["env", "static"]
    prefix: str | None = None
    dotenv_path: str | None = None
    values: dict[str, str] = Field(default={})


class OutboundHttp(Table):
    """How requests are sent."""

    connection_pooling: bool | None = None
    max_connections: int | None = Field(None, ge=1)
    max_concurrent_requests: int | None = Field(None, ge=1)


class Networking(Table):
    """What nobody reaches."""

    block_networks: Texts = ()
    max_socket_connections: int | None = None
    max_total_connections: int | None = None


class ClientTls(Table):
    """Whom components trust, and who they are."""

    component_ids: Texts
    hosts: Texts
    ca_use_platform_roots: bool | None = None
    ca_use_webpki_roots: bool | None = None
    ca_roots_file: str | None = None
    client_cert_file: str | None = None
    client_private_key_file: str | None = None


class RuntimeFile(Table):
    """The whole file."""

    state_dir: str | None = None
    log_dir: str | None = None
    max_instance_memory: int | None = Field(None, ge=1)
    key_value_store: dict[str, Store] = Field(default={})
    sqlite_database: dict[str, Store] = Field(default={})
    variables_provider: Annotated[tuple[Provider, ...], Strict(strict=False)] = ()
    config_provider: Annotated[tuple[Provider, ...], Strict(strict=False)] = ()
    outbound_http: OutboundHttp = OutboundHttp()
    outbound_networking: Networking = Networking()
    client_tls: Annotated[tuple[ClientTls, ...], Strict(strict=False)] = ()
    llm_compute: Ignored = None
    outbound_pg: Ignored = None
    outbound_mysql: Ignored = None
    outbound_redis: Ignored = None
    outbound_mqtt: Ignored = None


class RuntimeConfig:
    """What was read."""

    def __init__(self, file: RuntimeFile, path: Path) -> None:
        self.path = path
        self._file = file

    @property
    def state(self) -> Path | None:
        """The folder of the stores, if one is named. Spin takes it from where it was started."""
        return Path(self._file.state_dir).absolute() if self._file.state_dir else None

    @property
    def blocks_private(self) -> bool:
        """Whether names must not lead to private addresses."""
        return "private" in self._file.outbound_networking.block_networks

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return values of variables by what they are called in the environment."""
        found: dict[str, str] = {}
        for provider in (*self._file.variables_provider, *self._file.config_provider):
            given = {name.upper(): value for name, value in provider.values.items()}
            if provider.type == "env":
                prefix = f"{provider.prefix or 'SPIN_VARIABLE'}_"
                given = {
                    name.removeprefix(prefix): value
                    for name, value in environment.items()
                    if name.startswith(prefix)
                }
            for name, value in given.items():
                found.setdefault(f"SPIN_VARIABLE_{name}", value)
        return found

    def apply(self, components: Mapping[str, dict[str, Any]]) -> None:
        """Put into components (in our words) what holds for them."""
        http = self._file.outbound_http
        limits: dict[str, Any] = {}
        if self._file.max_instance_memory is not None:
            limits["memory"] = max(self._file.max_instance_memory, _LEAST_MEMORY)
        if connections := http.max_connections or http.max_concurrent_requests:
            limits["connections"] = connections
        for name, component in components.items():
            if limits:
                component["limits"] = {**component.get("limits", {}), **limits}
            for tls in self._file.client_tls:
                if name in tls.component_ids:
                    self._identify(component.get("grants", {}).get("http", []), tls)

    def _identify(self, grants: list[Any], tls: ClientTls) -> None:
        files = {
            "roots": tls.ca_roots_file,
            "certificate": tls.client_cert_file,
            "key": tls.client_private_key_file,
        }
        given = {key: str(self.path.parent / file) for key, file in files.items() if file is not None}
        for index, granted in enumerate(grants):
            table = {"to": granted} if isinstance(granted, str) else granted
            host = table["to"].partition("://")[2].partition(":")[0]
            if host in tls.hosts:
                grants[index] = {**table, **given}


def load(path: Path) -> RuntimeConfig:
    """Read a file.

    Raises:
        ManifestError: it is wrong, or says something that cannot be had here.

    """
    file = path.absolute()
    text = document.read(file)
    data = document.parse(text, file)
    wrong = list(_other(data))
    try:
        read = RuntimeFile.model_validate(data)
    except ValidationError as error:
        named = {problem.path for problem in wrong}
        found = problems.found(error, data, root=RuntimeFile)
        wrong += [
            problem for problem in found if not any(problem.path[: len(path)] == path for path in named)
        ]
    else:
        wrong += [*_unsayable(read), *_stores(read)]
    if wrong:
        raise problems.manifest_error(file, wrong, positions(text))
    return RuntimeConfig(read, file)


def _other(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Find stores and providers of kinds that are not here."""
    for table in ("key_value_store", "sqlite_database"):
        for label, store in _items(data.get(table)):
            kind = store.get("type") if isinstance(store, dict) else None
            if kind in _OTHER_STORES:
                message = (
                    f'there is no store of type "{kind}" here; the type "spin" is a file on this machine'
                )
                yield Problem((table, label), message)
    for table in ("variables_provider", "config_provider"):
        providers = data.get(table)
        for index, provider in enumerate(providers if isinstance(providers, list) else []):
            kind = provider.get("type") if isinstance(provider, dict) else None
            if kind in {"vault", "azure_key_vault"}:
                message = (
                    f'values are not fetched from "{kind}"; convert the manifest, and name a `command` that prints the'
                    " value in [secrets.NAME]"
                )
                yield Problem((table, index), message)


def _unsayable(read: RuntimeFile) -> Iterator[Problem]:
    if read.log_dir:
        yield Problem(
            ("log_dir",), "there are no files of logs; lines go to standard output, with the component's name"
        )
    for index, network in enumerate(read.outbound_networking.block_networks):
        if network != "private":
            path: KeyPath = ("outbound_networking", "block_networks", index)
            yield Problem(path, 'only "private" can be blocked as a whole; grant others by address')
    for index, tls in enumerate(read.client_tls):
        if tls.ca_roots_file is not None and (tls.ca_use_platform_roots or tls.ca_use_webpki_roots):
            yield Problem(
                ("client_tls", index), "roots of a file take the place of others; they are not added to them"
            )


def _stores(read: RuntimeFile) -> Iterator[Problem]:
    """Find what stores cannot have here."""
    for table, kind, stores in (
        ("key_value_store", "keyvalue", read.key_value_store),
        ("sqlite_database", "sqlite", read.sqlite_database),
    ):
        for label in [label for label, store in stores.items() if store.path]:
            message = (
                f"every store has its file in one folder, this one {kind}/{label}.db; leave `path` out, and say with"
                " `state_dir` or --state where the folder is"
            )
            yield Problem((table, label, "path"), message)
    for label, store in read.sqlite_database.items():
        if store.allow_attach_file:
            yield Problem(
                ("sqlite_database", label, "allow_attach_file"), "databases cannot be attached here"
            )


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
