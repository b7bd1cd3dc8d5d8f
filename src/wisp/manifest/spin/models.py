"""What may be written into `spin.toml`, version 2. Keys that Spin does not know are refused, as Spin does.

What Spin writes in several forms becomes one here: a source, a dependency and a command are tables, whatever was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Strict, Tag, model_validator

from wisp.manifest.table import Table

VERSION: Final = 2

_DEPENDENCY: Final = re.compile(
    r"(?P<package>[a-z][a-z0-9-]*:[a-z][a-z0-9-]*)(?:/(?P<interface>[a-z][a-z0-9-]*))?(?:@(?P<version>\d+\.\d+\.\d+\S*))?"
)
_FORMS: Final = ({"url", "digest"}, {"package", "version"}, {"package", "version", "registry"})
_INHERITED: Final = (
    "ai_models",
    "allowed_outbound_hosts",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
)


def _words(text: str, delimiter: str, *, lower: bool) -> str:
    wrong = "_" if delimiter == "-" else "-"
    if wrong in text:
        message = f'the words of "{text}" are separated with "{delimiter}", not "{wrong}"'
        raise ValueError(message)
    for word in text.split(delimiter):
        if not re.fullmatch(r"[a-z][a-z0-9]*|[A-Z][A-Z0-9]*", word) or (lower and word != word.lower()):
            case = "in lower case " if lower else ""
            message = (
                f'"{text}" is not a name of words {case}that begin with a letter, joined by "{delimiter}"'
            )
            raise ValueError(message)
    return text


def _component_id(text: str) -> str:
    name = _words(text, "-", lower=False)
    if name != name.lower():
        message = f'names of components are in lower case here: "{name.lower()}"'
        raise ValueError(message)
    return name


def _label(text: str) -> str:
    return _words(text, "_" if "_" in text else "-", lower=False)


def _source(value: object) -> object:
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, Mapping) and set(value) not in _FORMS:
        message = "expected a path, { url, digest }, or { package, version } with a registry or without"
        raise ValueError(message)
    return value


def _dependency(value: object) -> object:
    return {"version": value} if isinstance(value, str) else value


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _target_kind(value: object) -> str:
    return "reference" if isinstance(value, str) else "inline"


def _mount_kind(value: object) -> str:
    return "pattern" if isinstance(value, str) else "placement"


def _is_private(value: bool) -> bool:
    if not value:
        message = "a route is a pattern, or { private = true }"
        raise ValueError(message)
    return value


TAGS: Final = frozenset({"reference", "inline", "pattern", "placement"})
"""What pydantic puts into a path although it is not in the document."""

ComponentId: TypeAlias = Annotated[str, AfterValidator(_component_id)]
VariableName: TypeAlias = Annotated[str, AfterValidator(lambda text: _words(text, "_", lower=True))]
Label: TypeAlias = Annotated[str, AfterValidator(_label)]
Texts: TypeAlias = Annotated[tuple[str, ...], Strict(strict=False)]
Labels: TypeAlias = Annotated[tuple[Label, ...], Strict(strict=False)]
Ignored: TypeAlias = Any
"""What other programs read: any value will do."""


class Variable(Table):
    """One variable of the application."""

    description: str | None = None
    required: bool = False
    default: str | None = None
    secret: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.required == (self.default is not None):
            message = "must be `required`, or have a `default`"
            raise ValueError(message)
        return self


class Source(Table):
    """Where a component comes from: a path, an address, or a package of a registry."""

    path: str | None = None
    url: str | None = None
    digest: str | None = None
    registry: str | None = None
    package: str | None = None
    version: str | None = None


AnySource: TypeAlias = Annotated[Source, BeforeValidator(_source)]


class Placement(Table):
    """Files that a component finds elsewhere than where they are."""

    source: str = Field(examples=["styles/dist"])
    destination: str = Field(examples=["/styles"])


Mount: TypeAlias = Annotated[
    Annotated[str, Tag("pattern")] | Annotated[Placement, Tag("placement")], Discriminator(_mount_kind)
]
Commands: TypeAlias = Annotated[tuple[str, ...], Strict(strict=False), BeforeValidator(_list)]


class Build(Table):
    """How a component is built."""

    command: Commands = Field(examples=["cargo build --target wasm32-wasip1 --release"])
    workdir: str | None = None
    watch: Texts = ()


class Dependency(Table):
    """What answers an import of a component."""

    version: str | None = None
    registry: str | None = None
    package: str | None = None
    path: str | None = None
    url: str | None = None
    digest: str | None = None
    component: ComponentId | None = None
    export: str | None = None
    inherit_configuration: bool | Texts | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [key for key in ("version", "path", "url", "component") if getattr(self, key) is not None]
        if len(given) != 1 or (self.url is None) != (self.digest is None):
            message = (
                "expected a version, or a table with `version`, `path`, `url` and `digest`, or `component`"
            )
            raise ValueError(message)
        if self.version is None and (self.registry is not None or self.package is not None):
            message = "`registry` and `package` go with `version`"
            raise ValueError(message)
        unknown = set(self.inherited or ()) - set(_INHERITED)
        if unknown:
            # Spin passes over them in silence, and the dependency goes without.
            message = f"nothing is called {', '.join(sorted(unknown))}; known are {', '.join(_INHERITED)}"
            raise ValueError(message)
        return self

    @property
    def inherited(self) -> tuple[str, ...] | None:
        """What it inherits, if that was said by name."""
        return self.inherit_configuration if isinstance(self.inherit_configuration, tuple) else None


def _dependency_name(text: str) -> str:
    if not _DEPENDENCY.fullmatch(text):
        _words(text, "-", lower=False)
    return text


Dependencies: TypeAlias = dict[
    Annotated[str, AfterValidator(_dependency_name)], Annotated[Dependency, BeforeValidator(_dependency)]
]


class ProfileBuild(Table):
    """How a profile builds a component."""

    command: Commands = Field(examples=["cargo build --target wasm32-wasip1"])


class ProfileOverride(Table):
    """What a profile changes in a component."""

    source: AnySource | None = None
    environment: dict[str, str] = Field(default={})
    dependencies: Dependencies = Field(default={})
    build: ProfileBuild | None = None


class Component(Table):
    """One component."""

    source: AnySource = Field(examples=["target/wasm32-wasip1/release/app.wasm"])
    description: str = ""
    variables: dict[VariableName, str] = Field(default={})
    environment: dict[str, str] = Field(default={})
    files: Annotated[tuple[Mount, ...], Strict(strict=False)] = ()
    exclude_files: Texts = ()
    allowed_http_hosts: Texts = ()
    allowed_outbound_hosts: Texts = ()
    key_value_stores: Labels = ()
    sqlite_databases: Labels = ()
    ai_models: Texts = ()
    targets: Ignored = None
    build: Build | None = None
    tool: Ignored = None
    dependencies_inherit_configuration: bool | None = None
    dependencies: Dependencies = Field(default={})
    profile: dict[str, ProfileOverride] = Field(default={})

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        each = any(one.inherit_configuration is not None for one in self.dependencies.values())
        if self.dependencies_inherit_configuration is not None and each:
            message = "`dependencies_inherit_configuration` and `inherit_configuration` of a dependency cannot both be given"
            raise ValueError(message)
        return self


class StaticResponse(Table):
    """An answer without a component."""

    status_code: int = 200
    headers: dict[str, str] = Field(default={})
    body: str = ""


class Executor(Table):
    """How a component takes requests."""

    type: Literal["http", "spin", "wagi"]
    argv: str | None = None
    entrypoint: str | None = None


class Private(Table):
    """No route: only other components reach it."""

    private: Annotated[bool, AfterValidator(_is_private)]


Target: TypeAlias = Annotated[
    Annotated[ComponentId, Tag("reference")] | Annotated[Component, Tag("inline")],
    Discriminator(_target_kind),
]
Route: TypeAlias = Annotated[
    Annotated[str, Tag("pattern")] | Annotated[Private, Tag("placement")], Discriminator(_mount_kind)
]


class HttpTrigger(Table):
    """Which requests go to which component."""

    id: str = ""
    route: Route = Field(examples=["/..."])
    component: Target | None = None
    static_response: StaticResponse | None = None
    executor: Executor | None = None
    components: Ignored = None
    dependencies: Ignored = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.component is None) == (self.static_response is None):
            message = "expected one of `component` and `static_response`"
            raise ValueError(message)
        return self


class Triggers(Table):
    """The triggers that there are."""

    http: Annotated[tuple[HttpTrigger, ...], Strict(strict=False)] = ()


class HttpSettings(Table):
    """What holds for all HTTP triggers."""

    base: Literal["/"] = "/"


class TriggerSettings(Table):
    """What holds for all triggers of a kind; those of kinds that are not used say nothing."""

    http: HttpSettings = HttpSettings()


class Application(Table):
    """What the application is called."""

    name: str = Field(examples=["my-app"])
    version: str = ""
    description: str = ""
    authors: Texts = ()
    targets: Ignored = None
    trigger: Ignored = None
    tool: Ignored = None


class SpinManifest(Table):
    """The whole file."""

    spin_manifest_version: Literal[2]
    application: Application = Field(examples=[{"name": "my-app"}])
    variables: dict[VariableName, Variable] = Field(default={})
    trigger: Triggers = Triggers()
    component: dict[ComponentId, Component] = Field(default={})


def split_dependency(name: str) -> tuple[str, str | None, str | None] | None:
    """Return package, interface and version of a dependency's name; None for one that is no package."""
    match = _DEPENDENCY.fullmatch(name)
    return (match["package"], match["interface"], match["version"]) if match else None
