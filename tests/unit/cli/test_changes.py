from __future__ import annotations

from pathlib import Path

from wisp.cli.changes import changes
from wisp.cli.prepared import PreparedApp, PreparedComponent


def component(name: str, digest: str, language: str | None) -> PreparedComponent:
    return PreparedComponent(name, digest, 2048, language, cached=True, seconds=0.0)


def app(*components: PreparedComponent) -> PreparedApp:
    return PreparedApp("cyber", Path(), {}, components, (), {}, ())


def said(before: PreparedApp, after: PreparedApp) -> list[str]:
    return [change.message for change in changes([before], [after])]


def test_a_component_with_another_digest_is_named_with_what_it_is_and_what_it_was() -> None:
    before = app(component("gateway", "sha256:1", "python"), component("processor", "sha256:2", "rust"))
    after = app(component("gateway", "sha256:1", "python"), component("processor", "sha256:3", None))

    [change] = changes([before], [after])

    assert change.message == "component processor is now a file, 2.0 KiB; it was rust, 2.0 KiB"
    assert change.details == {
        "app": "cyber",
        "component": "processor",
        "digest": "sha256:3",
        "language": None,
        "size": 2048,
    }


def test_components_that_are_new_or_gone_are_named() -> None:
    one, other = app(component("a", "sha256:1", "go")), app(component("b", "sha256:1", "c"))

    assert said(one, other) == ["component a is gone", "component b is new: c, 2.0 KiB"]


def test_nothing_is_said_where_nothing_changed() -> None:
    same = app(component("a", "sha256:1", "go"))

    assert said(same, same) == []
