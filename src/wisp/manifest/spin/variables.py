"""Variables of a Spin application: where their values come from, and what our manifest says instead.

Every variable becomes a secret of ours that comes from the environment variable which Spin reads too, with its default. So values
are looked up when the app starts, and are in no file that we write. Only the entries of `allowed_outbound_hosts` need values
earlier, because grants are part of the locked app.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import ManifestError
from wisp.manifest import templates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.manifest.spin.models import Variable

PREFIX: Final = "SPIN_VARIABLE_"
DOTENV: Final = ".env"
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*")


class MissingError(Exception):
    """A variable has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Values:
    """The values that variables have."""

    variables: Mapping[str, Variable]
    environment: Mapping[str, str]

    def __call__(self, name: str) -> str:
        """Return the value of a variable.

        Raises:
            MissingError: it has none.

        """
        default = self.variables[name].default
        value = self.environment.get(environment_name(name), default)
        if value is None:
            raise MissingError(name)
        return value


def environment_name(name: str) -> str:
    """Return the environment variable that has a variable's value."""
    return f"{PREFIX}{name.upper()}"


def environment(
    folder: Path, given: Mapping[str, str], provided: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return our environment with what was given by hand before it, then what was provided, and `.env` behind it.

    Args:
        folder: The manifest's.
        given: Values of variables from `--variable`, by their names.
        provided: What a `runtime-config.toml` provides, as it would be called in the environment.

    """
    return {
        **dotenv(folder),
        **os.environ,
        **(provided or {}),
        **{environment_name(name): value for name, value in given.items()},
    }


def dotenv(folder: Path) -> dict[str, str]:
    """Read the values of variables in a folder's `.env`, and no others."""
    try:
        text = (folder / DOTENV).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {folder / DOTENV}: {error}"
        raise ManifestError(message, path=folder / DOTENV) from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and match[1].startswith(PREFIX):
            found.setdefault(match[1], _unquoted(match[2]))
    return found


def secrets(variables: Mapping[str, Variable]) -> dict[str, dict[str, str]]:
    """Return `[secrets]` of our manifest."""
    return {
        name: {"environment": environment_name(name)}
        | ({} if variable.default is None else {"default": variable.default})
        for name, variable in variables.items()
    }


def config(text: str) -> Any:  # noqa: ANN401 - a value of TOML
    """Return the value of a component's variable as our `grants.config` has it."""
    parts = templates.split(text)
    names = [name for _, name in parts if name is not None]
    if not names:
        return text
    if len(names) == 1 and not any(literal for literal, _ in parts):
        return {"secret": names[0]}
    return {"template": text}


def _unquoted(text: str) -> str:
    if text[:1] in {'"', "'"} and (end := text.find(text[0], 1)) > 0:
        inside = text[1:end]
        return inside.replace("\\n", "\n").replace('\\"', '"') if text[0] == '"' else inside
    return text.partition(" #")[0].rstrip()
