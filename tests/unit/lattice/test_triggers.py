"""An app without some of its triggers."""

from __future__ import annotations

from typing import Any

from wisp.lattice.running.triggers import without


def component(*links: str) -> dict[str, Any]:
    return {"links": {f"interface {name}": {"component": name, "mode": "bridged"} for name in links}}


APP: dict[str, Any] = {
    "name": "shop",
    "http": [{"component": "api"}, {"component": None}],
    "cron": [{"component": "clean"}, {"component": "both"}],
    "messaging": [{"component": "mail"}, {"component": "api"}],
    "components": {
        "api": component("library"),
        "library": component(),
        "clean": component(),
        "both": component(),
        "mail": component("printer"),
        "printer": component("paper"),
        "paper": component(),
    },
}


def test_what_only_these_triggers_reach_goes_with_them() -> None:
    left = without(APP, ("cron",))

    assert left["cron"] == []
    assert left["messaging"] == APP["messaging"]
    assert set(APP["components"]) - set(left["components"]) == {"clean", "both"}  # type: ignore[call-overload]


def test_what_something_else_reaches_stays_with_all_that_it_calls() -> None:
    app = {**APP, "components": {**APP["components"], "api": component("mail")}}

    left = without(app, ("cron", "messaging"))

    assert set(left["components"]) == {"api", "library", "mail", "printer", "paper"}  # type: ignore[call-overload]


def test_an_app_without_such_triggers_is_as_it_was() -> None:
    app = {key: value for key, value in APP.items() if key != "messaging"}
    app["cron"] = []

    assert without(app, ("cron", "messaging")) == app
