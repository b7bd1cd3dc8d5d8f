"""What workers say at their end of what their components asked for and did not get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.host.denials import Denials

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject


def entry(target: str, count: int) -> JsonObject:
    return {
        "app": "shop",
        "component": "api",
        "import": "wasi:some/thing",
        "target": target,
        "grant": "",
        "table": "grants",
        "count": count,
    }


def test_what_was_refused_and_what_was_not_there_is_added_up_over_workers() -> None:
    denials = Denials()

    denials.add({"denied": [entry("a", 1)], "missed": [entry("b", 1)]})
    denials.add({"denied": [entry("a", 2), entry("b", 4)], "missed": [entry("b", 3)]})

    assert denials.entries() == [
        {**entry("a", 3), "missed": False},
        {**entry("b", 4), "missed": False},
        {**entry("b", 4), "missed": True},
    ]


def test_a_worker_that_told_nothing_adds_nothing() -> None:
    denials = Denials()

    denials.add({})

    assert denials.entries() == []
