"""Fixtures: the guests, a cache of these tests, hosts."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.e2e import neighbour
from tests.e2e.host import Host, environment
from tests.guests.build import Name, component

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


class Serve(Protocol):
    """Starts a host of one app, which is stopped after the test."""

    def __call__(
        self,
        *words: str | Path,
        guest: Name = "http2",
        route: str = "/...",
        beside: bool = False,
        **tables: Any,
    ) -> Host: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all tests of a run, so that each guest is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def http2() -> Path:
    """The component of `wasi:http` 0.2."""
    return component("http2")


@pytest.fixture(scope="session")
def http3() -> Path:
    """The component of `wasi:http` 0.3."""
    return component("http3")


@pytest.fixture
def serve(tmp_path: Path, cache: Path) -> Iterator[Serve]:
    """Give a function that serves one guest, or one `beside` a neighbour: its keywords are tables of the component."""
    with contextlib.ExitStack() as stack:

        def start(
            *words: str | Path,
            guest: Name = "http2",
            route: str = "/...",
            beside: bool = False,
            **tables: Any,
        ) -> Host:
            manifest = manifest_of(guest, route, tables) + (neighbour.tables() if beside else "")
            (tmp_path / "wisp.toml").write_text(manifest, encoding="utf-8")
            host = Host(*words, folder=tmp_path, variables=environment(cache))
            return stack.enter_context(host)

        yield start


def manifest_of(guest: Name, route: str, tables: dict[str, Any]) -> str:
    lines = [
        f'[app]\nname = "app"\n\n[[http]]\nroute = "{route}"\ncomponent = "{guest}"\n',
        f'[component.{guest}]\nsource = "{component(guest)}"',
        *(f"{name} = {inline(table)}" for name, table in tables.items()),
    ]
    return "\n".join([*lines, ""])


def inline(value: object) -> str:
    """Write a value as TOML, on one line."""
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {inline(each)}' for key, each in value.items())} }}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case _:
            return json.dumps(value)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory, cache: Path, http2: Path, http3: Path) -> Iterator[Host]:
    """A host for tests that leave it as it is: 0.2 below `/two`, 0.3 below `/three`."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copyfile(http2, folder / "two.wasm")
    shutil.copyfile(http3, folder / "three.wasm")
    (folder / "wisp.toml").write_text(BOTH, encoding="utf-8")
    with Host(folder=folder, variables=environment(cache)) as host:
        yield host


BOTH = """
[app]
name = "both"

[[http]]
route = "/two/..."
component = "two"

[[http]]
route = "/three/..."
component = "three"

[[http]]
route = "/users/:user/posts/:post"
method = "GET"
component = "two"

[component.two]
source = "two.wasm"
limits = { body = "64MiB" }

[component.three]
source = "three.wasm"
limits = { body = "64MiB" }
"""
