"""The core's functions for WIT. What they return is JSON, from which `wisp.wit` makes a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.errors import WitError

if TYPE_CHECKING:
    from pathlib import Path


def wit_read(path: Path) -> str:
    """Describe a folder with WIT, a file with WIT, an encoded WIT package or a component.

    Raises:
        WitError: it is none of these, or something in it is wrong; with the line and the column.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    if not path.exists():
        message = f"there is no file or folder {path}"
        raise WitError(message, path=path)
    return _core.wit_read(str(path))


def wit_decode(wasm: bytes) -> str:
    """Describe an encoded WIT package or a component.

    Raises:
        WitError: it is neither.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    return _core.wit_decode(wasm)


def wit_check(component: bytes, path: Path, *, world: str = "") -> None:
    """Check that a component fits a world; `world` may be empty when there is only one.

    Raises:
        WitError: it does not, in the validator's words.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    _core.wit_check(component, str(path), world)


def wit_try_link(exporter: Path, importer: Path) -> None:
    """Build a component that exports all of one package, one that imports all of the other, and link them.

    Raises:
        WitError: they do not link, in the validator's words.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    _core.wit_try_link(str(exporter), str(importer))


def wit_try_world(given: Path, wanted: Path, *, world: str = "") -> None:
    """Build a component for the world of `given`, and put it where the world of `wanted` is meant.

    Raises:
        WitError: it does not fit, in the validator's words.

    """
    from wisp import _core  # noqa: PLC0415 - see the package's docstring

    _core.wit_try_world(str(given), str(wanted), world)
