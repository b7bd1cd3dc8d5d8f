"""The HTTP trigger, `[[http]]`: which requests are answered by whom."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from wisp.manifest.table import Table
from wisp.manifest.values import Hosts, Methods, Name, RoutePattern

Convention: TypeAlias = Literal["wisp", "spin"]

_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LEAST_STATUS: Final = 200
_MOST_STATUS: Final = 599


def _field(text: str) -> str:
    if not _FIELD.fullmatch(text):
        message = f'"{text}" is not the name of a header'
        raise ValueError(message)
    return text.lower()


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text) or text != text.strip():
        message = "a header has one line of text, without a space at its ends"
        raise ValueError(message)
    return text


class Response(Table):
    """An answer that needs no component."""

    status: int = Field(200, description="The status.", ge=_LEAST_STATUS, le=_MOST_STATUS, examples=[404])
    headers: dict[Annotated[str, AfterValidator(_field)], Annotated[str, AfterValidator(_value)]] = Field(
        default={},
        description="Headers, each with one value.",
        examples=[{"content-type": "text/plain; charset=utf-8"}],
    )
    body: str = Field("", description="The body.", examples=["Gone fishing."])


class HttpTrigger(Table):
    """Which HTTP requests go to which component.

    The most specific route wins, whatever the order in the file: first by host (exact, then the longest
    `*.suffix`, then any), then by path, part by part (text, then `:parameter`, then `/...`), then by method. No two
    routes may match the same paths for the same method and host.
    """

    route: RoutePattern = Field(
        description="The path: exact (`/about`), with parameters (`/users/:id`, one part of the path each), or"
        " everything below (`/files/...`, which matches `/files` too). Upper and lower case are told apart, and so"
        " are `/a` and `/a/`.",
        examples=["/rust/process", "/users/:id", "/files/..."],
    )
    method: Methods = Field(
        default=(),
        description="The methods, one or a list, in upper case. Without it, any method."
        " Where `GET` is allowed, `HEAD` is.",
        examples=[["POST"]],
    )
    host: Hosts = Field(
        default=(),
        description="The hosts, one or a list: exact (`api.example.com`) or all below one (`*.example.com`)."
        " Without it, any host.",
        examples=[["api.example.com", "*.example.org"]],
    )
    component: Name | None = Field(None, description="The component that answers.", examples=["rust"])
    response: Response | None = Field(
        None,
        description="What is answered, without a component. Either this or `component` is given.",
        examples=[{"status": 404, "body": "There is nothing here."}],
    )
    convention: Convention = Field(
        "wisp",
        description="Whose rules the route follows. `spin`: the component is told about a request as Spin tells it, in"
        " headers called `spin-*` instead of `wisp-*`, and `/a/` matches what `/a` does.",
        examples=["spin"],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.component is None) == (self.response is None):
            message = 'expected one of `component` and `response`, such as component = "my-component"'
            raise ValueError(message)
        return self
