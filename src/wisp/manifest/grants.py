"""What a component may use: `[component.NAME.grants]`. Nothing that is not written there.

Kept apart from `models` because these tables are what a reader of a manifest looks at first, and what a reviewer asks about.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator
from pydantic_core import PydanticKnownError

from wisp.manifest.table import Table
from wisp.manifest.targets import HTTP_SCHEMES, SOCKET_SCHEMES, TARGET_PATTERN, Target, parse_target
from wisp.manifest.templates import split
from wisp.manifest.values import RelativePath, StoreName, distinct, parse_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUBJECT: Final = re.compile(r"([A-Za-z0-9_-]+|\*)(\.([A-Za-z0-9_-]+|\*))*(\.>)?|>")
_MOUNT_PATTERN: Final = r"^/([^/\x00]+(/[^/\x00]+)*)?$"


def _http_target(text: str) -> str:
    parse_target(text, HTTP_SCHEMES)
    return text


def _socket_target(text: str) -> str:
    parse_target(text, SOCKET_SCHEMES)
    return text


def _http(value: object) -> object:
    return {"to": value} if isinstance(value, str) else _table(value)


def _config(value: object) -> object:
    return {"value": value} if isinstance(value, str) else _table(value)


def _table(value: object) -> object:
    if not isinstance(value, dict | Table):
        raise PydanticKnownError("string_type")
    return value


def _mount(text: str) -> str:
    if not re.fullmatch(_MOUNT_PATTERN, text) or {".", ".."} & set(text.split("/")):
        message = f'expected an absolute path without "." and "..", such as "/assets", found "{text}"'
        raise ValueError(message)
    return text


def _subject(text: str) -> str:
    if not _SUBJECT.fullmatch(text):
        message = f'expected a subject such as "orders.created", "orders.*" or "orders.>", found "{text}"'
        raise ValueError(message)
    return text


def _key(text: str) -> str:
    if text == "" or "\0" in text:
        message = "a key of the configuration must not be empty, nor hold a NUL character"
        raise ValueError(message)
    return text


HttpTarget: TypeAlias = Annotated[
    str, AfterValidator(_http_target), Field(json_schema_extra={"pattern": TARGET_PATTERN})
]
SocketTarget: TypeAlias = Annotated[
    str, AfterValidator(_socket_target), Field(json_schema_extra={"pattern": TARGET_PATTERN})
]
Subject: TypeAlias = Annotated[str, AfterValidator(_subject)]
Names: TypeAlias = Annotated[tuple[StoreName, ...], Strict(strict=False), AfterValidator(distinct)]


class HttpGrant(Table):
    """Where a component may send requests, and how it proves who it is. A string is the same as `{ to = "..." }`."""

    to: HttpTarget = Field(
        description="`scheme://host` or `scheme://host:port`. The host is a name, `*.suffix`, `*`, an address, or a"
        " network; the port a number, a range, or `*`.",
        examples=["https://api.example.com", "http://10.0.0.0/8:9000-9010"],
    )
    private: bool = Field(
        default=False,
        description="Whether the name may lead to addresses of private networks and of this machine, which are"
        " otherwise granted as addresses only. For names whose owner you trust.",
    )
    roots: RelativePath | None = Field(
        None,
        description="A PEM file of the certificates that are trusted instead of the system's.",
        examples=["ca.pem"],
    )
    certificate: RelativePath | None = Field(
        None, description="A PEM file of the client's certificate chain.", examples=["client.pem"]
    )
    key: RelativePath | None = Field(
        None, description="A PEM file of the key of `certificate`.", examples=["client-key.pem"]
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            message = "`certificate` and `key` belong together"
            raise ValueError(message)
        return self

    @property
    def target(self) -> Target:
        """`to`, read."""
        return parse_target(self.to, HTTP_SCHEMES)


class Included(Table):
    """A file or a folder whose copy a component sees. A string is a glob, and what matches keeps its path."""

    source: RelativePath = Field(
        description="The file or the folder, relative to the manifest's folder.", examples=["styles/dist"]
    )
    to: str = Field(description="Where it is below `mount`.", examples=["styles"])


class FileGrant(Table):
    """A folder that a component sees."""

    source: RelativePath | None = Field(
        None, description="The folder, relative to the manifest's.", examples=["assets"]
    )
    include: Annotated[
        tuple[
            Annotated[str, Field(min_length=1)] | Included,
            ...,
        ],
        Strict(strict=False),
    ] = Field(
        default=(),
        description="Files that it sees instead of a whole folder, in a copy that is made at the start and that it cannot"
        " change: globs, and files or folders with another place.",
        examples=[["assets/**/*.png", {"source": "styles/dist", "to": "styles"}]],
    )
    exclude: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(strict=False)] = Field(
        default=(),
        description="Globs of files that are left out of the copy; here a `*` stands for any part of a path.",
        examples=[["**/secret"]],
    )
    mount: Annotated[str, AfterValidator(_mount), Field(json_schema_extra={"pattern": _MOUNT_PATTERN})] = (
        Field(description="Where the component sees it.", examples=["/assets"])
    )
    write: bool = Field(default=False, description="Whether it may change what is in it.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.source is None) == (not self.include):
            message = 'expected one of `source` and `include`, such as source = "assets"'
        elif self.write and self.include:
            message = "a copy cannot be written to; name the folder as `source`"
        elif self.exclude and not self.include:
            message = "`exclude` goes with `include`"
        else:
            return self
        raise ValueError(message)


class ConfigValue(Table):
    """One value of a component's configuration. A string is the same as `{ value = "..." }`."""

    value: str | None = Field(None, description="The value itself.", examples=["hi"])
    secret: str | None = Field(
        None,
        description="The name of a secret: a table of `[secrets]`, or else an environment variable of the host.",
        examples=["API_TOKEN"],
        min_length=1,
    )
    template: str | None = Field(
        None,
        description="Text with secrets in it, each by its name in double braces.",
        examples=["https://{{ API_HOST }}/users"],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.value, self.secret, self.template)) != 1:
            message = 'expected text, or `{ secret = "NAME" }`'
            raise ValueError(message)
        if self.template is not None:
            split(self.template)
        return self


def _apart(folders: tuple[FileGrant, ...]) -> tuple[FileGrant, ...]:
    distinct(tuple(folder.mount for folder in folders))
    return folders


Config: TypeAlias = dict[
    Annotated[str, AfterValidator(_key)],
    Annotated[ConfigValue, BeforeValidator(_config, json_schema_input_type=str | ConfigValue)],
]


class Grants(Table):
    """What a component may use of the world. What is not written here is denied, and the log says how it would be granted."""

    http: Annotated[
        tuple[
            Annotated[HttpGrant, BeforeValidator(_http, json_schema_input_type=HttpTarget | HttpGrant)], ...
        ],
        Strict(strict=False),
    ] = Field(
        default=(),
        description="Where it may send HTTP requests. A name never leads to an address of a private network or of this"
        " machine, unless that address is granted too. `http://self.alt` is its own app, where the app's routes lead.",
        examples=[["https://api.example.com", "https://*.shop.example:8443", "http://10.0.0.0/8:9000-9010"]],
    )
    sockets: Annotated[tuple[SocketTarget, ...], Strict(strict=False)] = Field(
        default=(),
        description="Where it may open sockets (`wasi:sockets`), with `tcp` or `udp` and a port. Only names that are"
        " written here can be looked up.",
        examples=[["tcp://db.example.com:5432"]],
    )
    environment: Annotated[
        tuple[Annotated[str, AfterValidator(parse_variable)], ...],
        Strict(strict=False),
        AfterValidator(distinct),
    ] = Field(
        default=(),
        description="Variables of the host's environment that it sees, by name. `environment` of the component sets others.",
        examples=[["TZ"]],
    )
    files: Annotated[tuple[FileGrant, ...], Strict(strict=False), AfterValidator(_apart)] = Field(
        default=(),
        description="Folders that it sees.",
        examples=[
            [{"source": "assets", "mount": "/assets"}, {"source": "data", "mount": "/data", "write": True}]
        ],
    )
    keyvalue: Names = Field(
        default=(), description="Key-value stores that it may open (`wasi:keyvalue`).", examples=[["default"]]
    )
    blobstore: Names = Field(
        default=(),
        description="Containers of blobs that it may use (`wasi:blobstore`).",
        examples=[["images"]],
    )
    sqlite: Names = Field(
        default=(), description="SQLite databases that it may open (`wisp:sqlite`).", examples=[["default"]]
    )
    messaging: Annotated[tuple[Subject, ...], Strict(strict=False), AfterValidator(distinct)] = Field(
        default=(),
        description="Subjects that it may publish to (`wisp:messaging`). `*` stands for one word, `>` at the end for all"
        " that follow.",
        examples=[["orders.*"]],
    )
    config: Config = Field(
        default={},
        description="Values that it reads by key (`wasi:config`): text, or the name of a secret.",
        examples=[{"greeting": "hi", "token": {"secret": "API_TOKEN"}}],
    )

    @classmethod
    def of_locked(cls, locked: Mapping[str, Any]) -> Self:
        """Return the grants of a component of a locked app."""
        own = HttpGrant.model_fields.keys() - {"to"}
        return cls(
            **{
                kind: locked[kind] for kind in ("environment", "keyvalue", "blobstore", "sqlite", "messaging")
            },
            http=tuple(
                HttpGrant(to=target["text"], **{key: target[key] for key in own}) for target in locked["http"]
            ),
            sockets=tuple(target["text"] for target in locked["sockets"]),
            files=tuple(
                FileGrant(**{**folder, "source": None if folder["include"] else folder["source"]})
                for folder in locked["files"]
            ),
            config={key: ConfigValue(**value) for key, value in locked["config"].items()},
        )

    def written(self) -> dict[str, object]:
        """Return what is granted as a manifest writes it, in the shortest form."""
        given = self.model_dump(exclude_defaults=True)
        if self.http:
            given["http"] = tuple(one["to"] if len(one) == 1 else one for one in given["http"])
        if self.config:
            given["config"] = {key: one.get("value", one) for key, one in given["config"].items()}
        return given
