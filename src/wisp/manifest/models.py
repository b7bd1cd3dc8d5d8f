"""What may be written into `wisp.toml`.

Each model is one table of the manifest and each field one key. Their descriptions and examples are the manifest's
reference and its JSON Schema, so they are written for the people who write manifests. Values are parsed here into
types that cannot be wrong (bytes, `timedelta`, canonical routes); what needs two tables to judge, such as a route
to a component that does not exist, is in `checks`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Strict,
    Tag,
)

from wisp.manifest.grants import Grants
from wisp.manifest.linking import Links, Offers
from wisp.manifest.references import SCHEME, Reference
from wisp.manifest.schedules import Cron
from wisp.manifest.secrets import Secret
from wisp.manifest.subscriptions import Subscription
from wisp.manifest.table import Table
from wisp.manifest.triggers import HttpTrigger
from wisp.manifest.units import format_duration, format_size
from wisp.manifest.urls import parse_url
from wisp.manifest.values import (
    AS_DURATION,
    AS_SIZE,
    COUNT,
    MOST_TIME,
    VERSION_PATTERN,
    WASM32_MEMORY,
    WASM_PAGE,
    Digest,
    Duration,
    Environment,
    Name,
    OciSource,
    RelativePath,
    RequestPath,
    Size,
    between,
    parse_version,
)

FILE_NAME: Final = "wisp.toml"
"""The manifest's name in its folder."""


def _source_kind(value: object) -> str:
    if isinstance(value, Reference) or (isinstance(value, str) and value.startswith(SCHEME)):
        return "registry"
    return "remote" if isinstance(value, dict | RemoteSource) else "path"


class App(Table):
    """What this app is called. One manifest declares one app."""

    name: Name = Field(
        description="The app's name, in lower-case words joined by `-`.", examples=["polyglot"]
    )
    version: Annotated[
        str, AfterValidator(parse_version), Field(json_schema_extra={"pattern": VERSION_PATTERN})
    ] = Field("0.0.0", description="The app's semantic version.", examples=["0.1.0"])
    description: str = Field("", description="One sentence for people.")
    health: RequestPath | None = Field(
        None,
        description="A path that answers with a status below 400 when the app is well. In a lattice, a new version is asked for it"
        " on each host before it gets requests; without it, the simplest path of the app's routes is.",
        examples=["/health"],
    )


class RemoteSource(Table):
    """A component that is fetched."""

    url: Annotated[str, AfterValidator(parse_url)] = Field(
        description="Where it is: `https`, or `http` on this machine's loopback. No user or password.",
        examples=["https://example.com/auth.wasm"],
    )
    digest: Digest = Field(
        description="What it must be: `sha256:` and the 64 hexadecimal digits that `sha256sum` prints.",
        examples=["sha256:..."],
    )


class Build(Table):
    """How the component is built, where it is not as its language's builder does it.

    Paths are relative to the component's folder: its `source` if that is a folder, else the manifest's folder.
    """

    command: str | None = Field(
        None,
        description="A command for the shell that builds the component instead of the language's builder.",
        examples=["make component"],
        min_length=1,
    )
    output: RelativePath | None = Field(
        None,
        description="The `.wasm` file that the command makes. Without it, `source` if that is a `.wasm` file,"
        " else the newest `.wasm` file in the folder.",
        examples=["out/component.wasm"],
    )
    watch: Annotated[tuple[RelativePath, ...], Strict(strict=False)] = Field(
        default=(),
        description="Globs of the files that decide the output: `wisp up --watch` watches them, and while they are"
        " unchanged the component is not built again. Without it, what the language's builder says.",
        examples=[["src/**"]],
    )
    workdir: RelativePath = Field(".", description="The folder in which the command runs.")


class Limits(Table):
    """What a component may use.

    Each says whether it holds for one request, one instance or one host, that is one machine: with `n` workers, each
    enforces its share of what holds per host, divided by `n` and rounded up.
    """

    memory: Annotated[Size, between(WASM_PAGE, WASM32_MEMORY, format_size), AS_SIZE] = Field(
        256 * 2**20,
        description="Linear memory of one instance, all its memories together, from `64KiB` to `4GiB`. Past it `memory.grow`"
        " fails, and most guests then trap.",
        examples=["64MiB"],
    )
    timeout: Annotated[
        Duration, between(timedelta(milliseconds=1), MOST_TIME, format_duration), AS_DURATION
    ] = Field(
        timedelta(seconds=30),
        description="Wall-clock time of one request, from its admission until its response has been sent."
        " Past it the client gets 504, or the response breaks off if it had begun.",
        examples=["5s"],
    )
    concurrency: int = Field(
        100,
        description="Requests in progress at once, per host. The default keeps the worst case, every instance at its memory"
        " limit, within what a machine may have; a component that mostly waits can have far more.",
        ge=1,
        le=COUNT,
    )
    queue: int = Field(
        1_000,
        description="Requests per host that may wait for their turn when `concurrency` is reached. Past it the client gets"
        " 503 with `Retry-After`.",
        ge=0,
        le=COUNT,
    )
    queue_timeout: Annotated[Duration, between(timedelta(0), MOST_TIME, format_duration), AS_DURATION] = (
        Field(
            timedelta(seconds=5),
            description="How long one request may wait for its turn; then the client gets 503 with `Retry-After`.",
            examples=["1s"],
        )
    )
    body: Annotated[Size, between(0, 2**40, format_size), AS_SIZE] = Field(
        16 * 2**20,
        description="Body of one request, at most `1TiB`. Past it the client gets 413.",
        examples=["1MiB"],
    )
    headers: Annotated[Size, between(256, 2**20, format_size), AS_SIZE] = Field(
        64 * 2**10,
        description="Head of one request, its path and headers together. Past it the client gets 431. All of the host has"
        " at most 64 KiB.",
        examples=["16KiB"],
    )
    response: Annotated[Size, between(0, 2**40, format_size), AS_SIZE] = Field(
        2**30,
        description="Body of one response, at most `1TiB`. Past it the response breaks off, or is 502 if it had not begun.",
        examples=["16MiB"],
    )
    cpu: Annotated[Duration, between(timedelta(milliseconds=10), MOST_TIME, format_duration), AS_DURATION] = (
        Field(
            timedelta(seconds=10),
            description="Processor time of one request, measured from the first 5 ms on, after which a guest is interrupted."
            " Past it the client gets 504, or the response breaks off if it had begun.",
            examples=["500ms"],
        )
    )
    table: int = Field(
        1_000_000,
        description="Elements of all tables of one instance together. Past it `table.grow` fails.",
        ge=1,
        le=COUNT,
    )
    handles: int = Field(
        10_000,
        description="Resources (streams, requests, files and so on) that one instance holds at once. Past it the guest traps.",
        ge=1,
        le=COUNT,
    )
    outbound: int = Field(
        100, description="Requests and connections that one request may begin to the outside.", ge=0, le=COUNT
    )
    connections: int = Field(
        100, description="Connections to the outside that are open at once, per host.", ge=1, le=COUNT
    )
    download: Annotated[Size, between(0, 2**40, format_size), AS_SIZE] = Field(
        64 * 2**20, description="Body of one response that it gets from outside.", examples=["1MiB"]
    )
    log: Annotated[Size, between(0, 2**30, format_size), AS_SIZE] = Field(
        2**20,
        description="Bytes that it may log in a second, per host. What is more is dropped, and the log says how much.",
        examples=["64KiB"],
    )
    store: Annotated[Size, between(0, 2**44, format_size), AS_SIZE] = Field(
        2**30,
        description="Bytes of each of its stores and of each folder that it may write to, per host. In folders each entry counts 4 KiB"
        " beside its size.",
        examples=["100MiB"],
    )
    file: Annotated[Size, between(0, 2**44, format_size), AS_SIZE] = Field(
        256 * 2**20, description="Size to which it may let one file grow, per file.", examples=["10MiB"]
    )
    files: int = Field(
        100, description="Files and folders that one instance has open at once.", ge=0, le=COUNT
    )


class Instances(Table):
    """How instances of a component are reused. By default each request gets a fresh one, and no request can see
    what another left in memory.
    """  # noqa: D205 - the sentence belongs together

    reuse: int = Field(
        1,
        description="Requests that one instance serves before it is dropped. More than 1 is faster, and means that"
        " requests share the component's memory.",
        ge=1,
        le=COUNT,
        examples=[128],
    )
    idle: Annotated[Duration, between(timedelta(0), MOST_TIME, format_duration), AS_DURATION] = Field(
        timedelta(seconds=10),
        description="How long an unused instance is kept for the next request.",
        examples=["1m"],
    )
    concurrency: int = Field(
        16,
        description="Requests at once in one instance, for `wasi:http` 0.3 components with `reuse` above 1;"
        " others take one at a time.",
        ge=1,
        le=COUNT,
    )


Source: TypeAlias = Annotated[
    Annotated[RelativePath, Tag("path")]
    | Annotated[OciSource, Tag("registry")]
    | Annotated[RemoteSource, Tag("remote")],
    Discriminator(_source_kind),
]


class Component(Table):
    """One component: where it comes from, and what it may use. It gets nothing that is not written here."""

    description: str = Field("", description="One sentence for people.")
    source: Source = Field(
        description="A folder with sources, whose language is found by its files; a `.wasm` file; a component in an OCI"
        ' registry, `oci://` and its reference, whose digest `wisp.lock` keeps; or `{ url = "...", digest = "sha256:..." }`.'
        " Paths are relative to the manifest's folder.",
        examples=[
            "rust",
            "auth.wasm",
            "oci://ghcr.io/acme/auth:1.2",
            {"url": "https://example.com/auth.wasm", "digest": "sha256:..."},
        ],
    )
    build: Build = Field(
        Build(), description="How it is built, where that is not as its language's builder does it."
    )
    environment: Environment = Field(
        default={},
        description="Environment variables that the component sees; it sees no others, except those that `grants` names.",
        examples=[{"GREETING": "hi"}],
    )
    grants: Grants = Field(Grants(), description="What it may use of the world.")
    limits: Limits = Field(Limits(), description="What it may use.")
    instances: Instances = Field(Instances(), description="How its instances are reused.")
    link: Links = Field(
        default={},
        description="By interface that it imports, or by package or without the version for all that this means: the component of this app that answers, or"
        ' `{ component = "...", mode = "..." }`. A component that others are linked to need not serve HTTP. By address: the'
        " component that answers the requests that it sends there, in process.",
        examples=[{"cyber:packets/data-processor@0.2.0": "processor"}, {"http://orders.internal": "orders"}],
    )
    offer: Offers = Field(
        default={},
        description="By interface that it exports: the apps of the lattice whose components may be linked to it, or `*` for all of them."
        " What is not offered, no other app can call.",
        examples=[{"acme:billing/invoices@1.0.0": ["shop"]}],
    )


class ComponentOverride(Table):
    """What a profile changes in a component. Keys that are not given stay as they are."""

    description: str = Field("", description="Replaces the description.")
    source: Source | None = Field(
        None, description="Replaces the source as a whole.", examples=["auth-debug.wasm"]
    )
    build: Build = Field(Build(), description="Replaces the keys that are given.")
    environment: Environment = Field(
        default={}, description="Adds variables, or replaces their values.", examples=[{"LOG_LEVEL": "debug"}]
    )
    grants: Grants = Field(Grants(), description="Replaces the keys that are given.")
    limits: Limits = Field(Limits(), description="Replaces the keys that are given.")
    instances: Instances = Field(Instances(), description="Replaces the keys that are given.")
    link: Links = Field(
        default={},
        description="Adds links, or replaces them.",
        examples=[{"cyber:packets/data-processor@0.2.0": "processor-debug"}],
    )
    offer: Offers = Field(
        default={},
        description="Adds interfaces, or replaces to whom they are offered.",
        examples=[{"acme:billing/invoices@1.0.0": "*"}],
    )


class Profile(Table):
    """Values that `--profile NAME` puts in place of others.

    A profile changes components that the manifest declares; it neither adds components nor touches `[app]` and the
    routes, so that every profile of an app answers the same requests.
    """

    component: dict[Name, ComponentOverride] = Field(
        default={},
        description="The components to change, by name.",
        examples=[{"rust": {"limits": {"timeout": "1m"}}}],
    )


class Manifest(Table):
    """The manifest of one app."""

    model_config = ConfigDict(title="wisp.toml")

    app: App = Field(description="What this app is called.", examples=[{"name": "polyglot"}])
    http: Annotated[tuple[HttpTrigger, ...], Strict(strict=False)] = Field(
        default=(), description="The HTTP trigger: which requests go where."
    )
    cron: Annotated[tuple[Cron, ...], Strict(strict=False)] = Field(
        default=(), description="The cron trigger: which components run when."
    )
    messaging: Annotated[tuple[Subscription, ...], Strict(strict=False)] = Field(
        default=(), description="The messaging trigger: which components take which messages."
    )
    secrets: dict[str, Secret] = Field(
        default={},
        description="Where secrets come from, by name. One that is not here comes from the environment variable of its name.",
    )
    component: dict[Name, Component] = Field(description="The components, by name.", min_length=1)
    profile: dict[Name, Profile] = Field(default={}, description="Values for `--profile NAME`.")

    _path: Path = PrivateAttr(default_factory=lambda: Path.cwd() / FILE_NAME)
    _written: Manifest | None = PrivateAttr(default=None)
    _remarks: tuple[str, ...] = PrivateAttr(default=())

    @property
    def path(self) -> Path:
        """The file, absolute. Of an app without a manifest: where the file would be."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._path.parent

    @property
    def written(self) -> Manifest:
        """The manifest as it was written, before a profile was applied."""
        return self._written or self

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever serves the app should be told about the file."""
        return self._remarks

    def saying(self, *remarks: str) -> Manifest:
        """Return the same manifest with something to be told."""
        said = self.model_copy()
        said._remarks = (*self._remarks, *remarks)  # noqa: SLF001 - our own, and nobody has seen it yet
        return said

    def at(self, path: Path, *, written: Manifest | None = None) -> Manifest:
        """Return the same manifest as read from a file, and from what was written there."""
        moved = self.model_copy()
        moved._path = path.absolute()  # noqa: SLF001 - our own, and nobody has seen it yet
        moved._written = written  # noqa: SLF001 - the same
        return moved

    def local_source(self, name: str) -> Path | None:
        """Return the component's folder or `.wasm` file, absolute; None if it is fetched."""
        source = self.component[name].source
        return self.folder / source if isinstance(source, str) else None

    def component_folder(self, name: str) -> Path:
        """Return the folder that the paths of `[component.NAME.build]` start from."""
        source = self.local_source(name)
        return self.folder if source is None or source.suffix == ".wasm" else source
