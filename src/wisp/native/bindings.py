"""The core's generators of bindings: what guests in C and Go are written against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Binding:
    """What bindings are for."""

    language: Literal["c", "go"]
    wit: Path
    """The folder or file with the world."""

    world: str
    """Its name."""

    module: str = ""
    """For Go: the path of the module that the bindings become a part of."""

    stubs: bool = False
    """For Go: with a function for each export that says that it is not implemented."""


def bindings(binding: Binding) -> Mapping[str, str]:
    """Generate bindings, and return the text of each file by its name.

    Raises:
        WitError: the WIT is wrong, has no such world, or has what the language cannot do.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return dict(_core.bindings(json.dumps(asdict(binding), default=str)))
