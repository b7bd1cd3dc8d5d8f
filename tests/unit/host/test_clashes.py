from __future__ import annotations

import pytest

from wisp.errors import HostError
from wisp.host.clashes import refuse_clashes


def app(name: str, *routes: tuple[str, list[str], list[str]]) -> dict[str, object]:
    http = [{"route": route, "methods": methods, "hosts": hosts} for route, methods, hosts in routes]
    return {"name": name, "http": http}


def test_apps_with_different_routes_are_served_together() -> None:
    refuse_clashes([app("a", ("/a", [], [])), app("b", ("/b", [], []))])


def test_one_app_alone_never_clashes() -> None:
    refuse_clashes([app("a", ("/a", [], []), ("/a", [], []))])


def test_equal_routes_of_two_apps_are_refused_with_both_names() -> None:
    with pytest.raises(HostError, match='"a" and "b" both have the route GET /x') as caught:
        refuse_clashes([app("a", ("/x", ["GET"], [])), app("b", ("/x", ["POST", "GET"], []))])

    assert caught.value.kind == "routes"


def test_routes_that_differ_only_in_the_name_of_a_parameter_are_equal() -> None:
    with pytest.raises(HostError, match="/users/:name"):
        refuse_clashes([app("a", ("/users/:id", [], [])), app("b", ("/users/:name", [], []))])


def test_hosts_and_methods_tell_routes_apart() -> None:
    refuse_clashes(
        [
            app("a", ("/x", ["GET"], ["a.example"])),
            app("b", ("/x", ["GET"], ["b.example"]), ("/x", ["PUT"], ["a.example"]), ("/x", [], [])),
        ]
    )


def test_two_apps_of_one_name_are_refused() -> None:
    with pytest.raises(HostError, match='two apps are called "a"'):
        refuse_clashes([app("a"), app("a")])
