"""Path patterns of the HTTP trigger: `/about`, `/users/:id`, `/files/...`.

A pattern is read once, here, into its canonical spelling, which is the one a request's path has on the wire:
non-ASCII text percent-encoded as UTF-8, hexadecimal digits in upper case, and nothing encoded that need not be.
So equal patterns have equal texts, and what the router decodes cannot surprise: an encoded slash, a control character
and a `.` or `..` part, encoded or not, are refused.

Two patterns that match exactly the same paths have the same `shape`, whatever their parameters are called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

PATTERN_LENGTH: Final = 1024
"""No pattern is longer; a request line has room for little more."""

_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_REST: Final = "..."
_UNRESERVED: Final = r"A-Za-z0-9._~\-"
_LITERAL: Final = re.compile(rf"(?:[{_UNRESERVED}!$&'()*+,;=:@]|[^\x00-\x7f]|%[0-9A-Fa-f]{{2}})+")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_FORBIDDEN_BYTES: Final = frozenset({*range(0x20), 0x7F, ord("/"), ord("\\")})


@dataclass(frozen=True, slots=True)
class Route:
    """One path pattern."""

    text: str
    """The canonical spelling, as the locked app carries it."""

    parameters: tuple[str, ...]
    """The names after `:`, in order."""

    @property
    def shape(self) -> str:
        """The pattern without the names of its parameters: equal for patterns that match the same paths."""
        return "/".join(":" if part.startswith(":") else part for part in self.text.split("/"))


def parse_route(text: str) -> Route:
    """Read a path pattern; a `ValueError` says what is wrong with it and what to write instead."""
    if not text.startswith("/"):
        message = f'expected a path that starts with "/", found "{text}"'
        raise ValueError(message)
    if len(text) > PATTERN_LENGTH:
        message = f"expected a path of at most {PATTERN_LENGTH} characters, found {len(text)}"
        raise ValueError(message)
    raw = text[1:].split("/")
    parts = [_part(part, last=index == len(raw)) for index, part in enumerate(raw, start=1)]
    parameters = tuple(part[1:] for part in parts if part.startswith(":"))
    repeated = next((name for name in parameters if parameters.count(name) > 1), None)
    if repeated is not None:
        message = f'":{repeated}" appears twice; each parameter needs a name of its own'
        raise ValueError(message)
    return Route("/" + "/".join(parts), parameters)


def _part(part: str, *, last: bool) -> str:
    if part == "" and last:
        return part
    if part == _REST:
        if not last:
            message = '"..." may only be the last part of a path'
            raise ValueError(message)
        return part
    return _parameter(part) if part.startswith(":") else _literal(part)


def _parameter(part: str) -> str:
    if _PARAMETER.fullmatch(part[1:]) is None:
        message = f'"{part}" is not a parameter; write ":" and a name of a-z, 0-9, "_" and "-", such as ":id"'
        raise ValueError(message)
    return part


def _literal(part: str) -> str:
    if part == "":
        message = 'a path must not contain "//"'
        raise ValueError(message)
    if _LITERAL.fullmatch(part) is None:
        raise ValueError(_complaint(part))
    canonical = _ENCODED.sub(_recode, quote(part, safe="%!$&'()*+,;=:@~"))
    if canonical in {".", ".."} or canonical.endswith(_REST):
        message = f'"{part}" is not allowed as a part of a path{_rest_advice(canonical)}'
        raise ValueError(message)
    # A lone star means nothing here, and in other servers it means what "..." means.
    if canonical == "*":
        message = '"*" matches nothing but itself; write "/..." at the end for everything below'
        raise ValueError(message)
    return canonical


def _rest_advice(part: str) -> str:
    text = part.removesuffix(_REST)
    return f'; for everything below, write "/{text}/..."' if text not in {part, ""} else ""


def _recode(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    if code in _FORBIDDEN_BYTES:
        message = f'"{match[0]}" is not allowed in a path'
        raise ValueError(message)
    character = chr(code)
    return character if re.fullmatch(f"[{_UNRESERVED}]", character) else match[0].upper()


def _complaint(part: str) -> str:
    name = re.fullmatch(r"[{<](?:[a-z]+:)?([A-Za-z_]\w*)(?::[a-z]+)?[}>]", part)
    if name is not None:
        return f'"{part}" is not a parameter; write ":{name[1].lower()}"'
    if "?" in part or "#" in part:
        return "a route is a path only, without a query"
    if "%" in part and re.search(r"%(?![0-9A-Fa-f]{2})", part):
        return f'"%" in "{part}" must be followed by two hexadecimal digits; a percent sign itself is "%25"'
    wrong = next(
        character for character in part if _LITERAL.fullmatch(character) is None and character != "%"
    )
    return f'{wrong!r} is not allowed in a path; write it as "{quote(wrong, safe="")}"'
