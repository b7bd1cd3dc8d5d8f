"""Reading a file of TOML, with the place of what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import ManifestError
from wisp.manifest import problems

if TYPE_CHECKING:
    from pathlib import Path

_TOML_PLACE: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def read(path: Path) -> str:
    """Return the text of a file, with lines that end as those of Unix."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        message = f"there is no file {problems.shown(path)}"
        hint = None if path.suffix == ".wasm" else "`wisp new` makes an app with a manifest"
        raise ManifestError(message, path=path, hint=hint) from None
    except OSError as error:
        message = f"cannot read {problems.shown(path)}: {error.strerror}"
        raise ManifestError(message, path=path) from error
    try:
        # Some editors put a mark in front that says that it is UTF-8.
        return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        message = f"{problems.shown(path)}:{line}:{column}: not UTF-8, which TOML must be"
        raise ManifestError(message, path=path, line=line, column=column) from None


def parse(text: str, path: Path) -> dict[str, Any]:
    """Return what is in a document; `path` is the file that it stands for."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, path) from None
    except ValueError:
        # Python reads no number of thousands of digits.
        message = f"{problems.shown(path)}: a number has too many digits"
        raise ManifestError(message, path=path) from None
    except RecursionError:
        message = f"{problems.shown(path)}: nested too deeply"
        raise ManifestError(message, path=path) from None


def _syntax_error(complaint: str, text: str, path: Path) -> ManifestError:
    match = _TOML_PLACE.fullmatch(complaint)
    what = match[1] if match else complaint
    if match and match[2]:
        line, column = int(match[2]), int(match[3])
    else:
        last = text.rstrip("\n").rsplit("\n", 1)[-1]
        line, column = text.rstrip("\n").count("\n") + 1, len(last) + 1
    hint = 'text needs quotes: key = "value"' if what == "Invalid value" else None
    message = f"{problems.shown(path)}:{line}:{column}: not TOML: {what[:1].lower()}{what[1:]}"
    return ManifestError(message, path=path, line=line, column=column, hint=hint)
