"""The values of a manifest: text that is parsed into types that cannot be wrong, with what is said when it is not one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, WithJsonSchema

from wisp.manifest.digests import DIGEST_PATTERN, parse_digest
from wisp.manifest.hosts import parse_host
from wisp.manifest.references import SCHEME, Reference, parse_reference
from wisp.manifest.routes import parse_route
from wisp.manifest.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_PATTERN: Final = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
"""Names of apps, components and profiles."""

_NAME_LENGTH: Final = 64
VERSION_PATTERN: Final = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
)
PEER_PATTERN: Final = r"^http://[a-z][a-z0-9-]*(\.spin)?\.internal$"
"""The address of another component of the app, as a guest writes it, without the path."""

INTERFACE_PATTERN: Final = r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9-]*(@[0-9A-Za-z.+-]+)?$"
"""Names of interfaces: `namespace:package/interface@version`."""

PACKAGE_PATTERN: Final = r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*(@[0-9A-Za-z.+-]+)?$"
"""Names of packages: `namespace:package@version`."""

_LINK_PATTERN: Final = f"{INTERFACE_PATTERN}|{PACKAGE_PATTERN}|{PEER_PATTERN}"
_STORE_PATTERN: Final = r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$"


_REQUEST_PATH_PATTERN: Final = r"^/[!\x22$-~]{0,1023}$"
_METHOD_PATTERN: Final = r"^[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*$"
COUNT: Final = 2**32 - 1
WASM_PAGE: Final = 64 * 2**10
WASM32_MEMORY: Final = 4 * 2**30
MOST_TIME: Final = timedelta(days=365)

_Ordered = TypeVar("_Ordered", int, timedelta)


def one_or_many(value: object) -> object:
    """Return a list, also where one value was written without it."""
    return [value] if isinstance(value, str) else value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values as they are; a `ValueError` names one that appears twice."""
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        message = f'"{repeated}" appears twice'
        raise ValueError(message)
    return values


def between(lowest: _Ordered, highest: _Ordered, show: Callable[[_Ordered], str]) -> AfterValidator:
    """Allow values from one to another, both included; `show` writes them for people."""

    def check(value: _Ordered) -> _Ordered:
        if lowest <= value <= highest:
            return value
        message = f"must lie between {show(lowest)} and {show(highest)}"
        raise ValueError(message)

    return AfterValidator(check)


def parse_name(text: str) -> str:
    """Return a kebab-case name as it is; a `ValueError` proposes one when it is not."""
    if len(text) > _NAME_LENGTH:
        message = f"a name has at most {_NAME_LENGTH} characters"
        raise ValueError(message)
    if re.fullmatch(NAME_PATTERN, text):
        return text
    message = f'"{text}" is not a name; names are lower-case words joined by "-", starting with a letter'
    proposal = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if re.fullmatch(NAME_PATTERN, proposal):
        message += f', such as "{proposal}"'
    raise ValueError(message)


def _parse_store(text: str) -> str:
    if len(text) <= _NAME_LENGTH and re.fullmatch(_STORE_PATTERN, text):
        return text
    return parse_name(text)


def parse_version(text: str) -> str:
    """Return a semantic version as it is; a `ValueError` if it is none."""
    if re.fullmatch(VERSION_PATTERN, text):
        return text
    message = f'expected a semantic version such as "1.0.0", found "{text}"'
    raise ValueError(message)


def _parse_method(text: str) -> str:
    if text in {"CONNECT", "TRACE"}:
        message = f"{text} is never given to a component"
    elif re.fullmatch(_METHOD_PATTERN, text):
        return text
    elif re.fullmatch(_METHOD_PATTERN, text.upper()):
        message = f'methods are written in upper case: "{text.upper()}"'
    else:
        message = f'expected an HTTP method such as "POST", found "{text}"'
    raise ValueError(message)


def _parse_path(text: str) -> str:
    if text == "" or "\0" in text:
        message = "expected a path, relative to the manifest's folder"
        raise ValueError(message)
    if "://" in text:
        message = f'to fetch it, write {{ url = "{text}", digest = "sha256:..." }}'
        raise ValueError(message)
    return text


def parse_variable(text: str) -> str:
    """Return a name of an environment variable as it is; a `ValueError` if it cannot be one."""
    if text == "" or "=" in text or "\0" in text:
        message = f'"{text}" cannot name an environment variable'
        raise ValueError(message)
    return text


def _parse_request_path(text: str) -> str:
    if re.fullmatch(_REQUEST_PATH_PATTERN, text) is None:
        message = f'expected a path as a request has it, such as "/health", found "{text}"'
        raise ValueError(message)
    return text


def _parse_text(text: str) -> str:
    if "\0" in text:
        message = "an environment variable cannot hold a NUL character"
        raise ValueError(message)
    return text


def _parse_interface(text: str) -> str:
    if re.fullmatch(INTERFACE_PATTERN, text):
        return text
    message = f'expected an interface such as "acme:billing/invoices@1.0.0", found "{text}"'
    raise ValueError(message)


def _parse_linked(text: str) -> str:
    if re.fullmatch(_LINK_PATTERN, text):
        return text
    message = (
        'expected an interface such as "cyber:packets/data-processor@0.2.0", or an address such as'
        f' "http://orders.internal", found "{text}"'
    )
    raise ValueError(message)


# A validator hides the serializers before it, so these come last where they are used.
AS_SIZE: Final = PlainSerializer(format_size, return_type=str, when_used="json")
AS_DURATION: Final = PlainSerializer(format_duration, return_type=str, when_used="json")

Name: TypeAlias = Annotated[
    str,
    AfterValidator(parse_name),
    Field(json_schema_extra={"pattern": NAME_PATTERN, "maxLength": _NAME_LENGTH}),
]
Digest: TypeAlias = Annotated[
    str, AfterValidator(parse_digest), Field(json_schema_extra={"pattern": DIGEST_PATTERN})
]
OciSource: TypeAlias = Annotated[
    Reference,
    BeforeValidator(lambda value: parse_reference(value) if isinstance(value, str) else value),
    PlainSerializer(lambda reference: f"{SCHEME}{reference}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{SCHEME}"}),
]
"""A reference as the manifest writes it, with `oci://` before it."""

StoreName: TypeAlias = Annotated[
    str,
    AfterValidator(_parse_store),
    Field(json_schema_extra={"pattern": _STORE_PATTERN, "maxLength": _NAME_LENGTH}),
]
Size: TypeAlias = Annotated[
    int,
    BeforeValidator(
        parse_size,
        json_schema_input_type=Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=SIZE_PATTERN)],
    ),
]
Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(
        parse_duration,
        json_schema_input_type=Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=DURATION_PATTERN)],
    ),
]
Method: TypeAlias = Annotated[
    str, AfterValidator(_parse_method), Field(json_schema_extra={"pattern": _METHOD_PATTERN})
]
Host: TypeAlias = Annotated[str, AfterValidator(parse_host)]
Methods: TypeAlias = Annotated[
    tuple[Method, ...],
    Strict(strict=False),
    AfterValidator(distinct),
    BeforeValidator(one_or_many, json_schema_input_type=Method | list[Method]),
]
Hosts: TypeAlias = Annotated[
    tuple[Host, ...],
    Strict(strict=False),
    AfterValidator(distinct),
    BeforeValidator(one_or_many, json_schema_input_type=Host | list[Host]),
]
RoutePattern: TypeAlias = Annotated[
    str,
    AfterValidator(lambda text: parse_route(text).text),
    Field(json_schema_extra={"pattern": "^/"}),
]
RequestPath: TypeAlias = Annotated[
    str,
    AfterValidator(_parse_request_path),
    Field(json_schema_extra={"pattern": _REQUEST_PATH_PATTERN}),
]
RelativePath: TypeAlias = Annotated[
    str, AfterValidator(_parse_path), Field(json_schema_extra={"minLength": 1})
]
InterfaceName: TypeAlias = Annotated[
    str, AfterValidator(_parse_interface), Field(json_schema_extra={"pattern": INTERFACE_PATTERN})
]
LinkName: TypeAlias = Annotated[
    str, AfterValidator(_parse_linked), Field(json_schema_extra={"pattern": _LINK_PATTERN})
]
Environment: TypeAlias = dict[
    Annotated[str, AfterValidator(parse_variable)], Annotated[str, AfterValidator(_parse_text)]
]
