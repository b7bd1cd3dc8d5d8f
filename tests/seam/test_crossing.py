"""What cannot be called on another host is refused when an app is built, with its place in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seam.test_compose import NUMBER, linked, module
from wisp import native
from wisp.errors import ManifestError
from wisp.registry.cache import Cache
from wisp.wit.crossing import stuck

if TYPE_CHECKING:
    from pathlib import Path

RESOURCE = "get passes the resource `thing`, which lives in one instance; only a fused link passes resources"


def providing(folder: Path, result: str, world: str = "provider") -> bytes:
    """Make a component that exports or imports a function with this result."""
    wit = folder / "crossing.wit"
    wit.write_text(
        f"""
        package test:parts@0.1.0;
        interface number {{ resource thing; type alias = thing; record point {{ x: u32, y: u32 }} get: func() -> {result}; }}
        world provider {{ export number; }}
        world user {{ import number; export run: func() -> u32; }}
        """,
        encoding="utf-8",
    )
    core = module(f"{NUMBER}#get") if world == "provider" else module("run", (NUMBER, "get"))
    return native.encode(core, wit=wit, world=world)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("u32", None),
        ("stream<u8>", None),
        ("future<string>", None),
        ("thing", RESOURCE),
        ("alias", RESOURCE),
        ("stream<point>", "get passes a `stream<"),
        ("future<thing>", "get passes a `future<"),
        ("stream", "get passes a `stream`; streams and futures of numbers, text and bytes can be passed"),
    ],
)
def test_what_cannot_leave_a_host_is_found_with_its_function(
    tmp_path: Path, result: str, reason: str | None
) -> None:
    said = stuck(providing(tmp_path, result), NUMBER)

    assert (said is None) if reason is None else (said or "").startswith(reason)


APP = f"""
[app]
name = "parts"
[component.user]
source = "user.wasm"
[component.user.link]
"{NUMBER}" = {{ app = "numbers", component = "any" }}
[component.provider]
source = "provider.wasm"
offer = {{ "{NUMBER}" = "*" }}
"""


async def test_a_remote_link_and_an_offer_with_resources_are_errors_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, world in (("user", "user"), ("provider", "provider")):
        (tmp_path / f"{name}.wasm").write_bytes(providing(tmp_path, "thing", world))
    (tmp_path / "wisp.toml").write_text(APP, encoding="utf-8")

    with pytest.raises(ManifestError) as caught:
        await linked(tmp_path, Cache.open(tmp_path / "cache"), [])

    why = f"it cannot be called on another host: {RESOURCE}"
    assert str(caught.value).splitlines()[:2] == [
        f'wisp.toml:7:29: component.user.link."{NUMBER}": {why}',
        f'wisp.toml:10:39: component.provider.offer."{NUMBER}": {why}',
    ]


async def test_an_app_with_a_link_to_another_one_is_linked_without_it(tmp_path: Path) -> None:
    for name, world in (("user", "user"), ("provider", "provider")):
        (tmp_path / f"{name}.wasm").write_bytes(providing(tmp_path, "u32", world))
    (tmp_path / "wisp.toml").write_text(APP, encoding="utf-8")

    app = await linked(tmp_path, Cache.open(tmp_path / "cache"), [])

    assert list(app.digests) == ["user", "provider"]
    assert [link.provider for link in app.bridges["user"].values()] == ["numbers/any"]
