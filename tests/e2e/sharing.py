"""An app of the guest `capabilities`, three times: `one` and `two`, which share something, and a `stranger` that has nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import inline
from tests.e2e.host import Host, environment
from tests.guests.build import component

if TYPE_CHECKING:
    from pathlib import Path


def app(folder: Path, cache: Path, *words: str, one: dict[str, Any], two: dict[str, Any]) -> Host:
    """Serve it below `/one`, `/two` and `/stranger`; `one` and `two` are tables of the components."""
    write(folder, one=one, two=two)
    return Host("--workers", "2", *words, folder=folder, variables=environment(cache))


def write(
    folder: Path, name: str = "app", more: str = "", *, one: dict[str, Any], two: dict[str, Any]
) -> None:
    """Write its manifest, with more tables at the end."""
    lines = [f'app = {{ name = "{name}" }}']
    for part, tables in {"one": one, "two": two, "stranger": {}}.items():
        lines += [f'[[http]]\nroute = "/{part}/..."\ncomponent = "{part}"']
        lines += [f'[component.{part}]\nsource = "{component("capabilities")}"']
        lines += [f"{key} = {inline(table)}" for key, table in tables.items()]
    (folder / "wisp.toml").write_text("\n".join([*lines, more]), encoding="utf-8")
