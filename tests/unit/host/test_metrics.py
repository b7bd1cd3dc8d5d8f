from __future__ import annotations

from wisp.host.metrics import combined


def test_numbers_of_workers_are_added_and_objects_are_merged() -> None:
    workers = [
        {"requests": 2, "responses": {"2xx": 2}, "seconds": 0.5},
        {"requests": 3, "responses": {"2xx": 1, "5xx": 2}, "seconds": 0.25},
    ]

    assert combined(workers) == {
        "workers": 2,
        "requests": 5,
        "responses": {"2xx": 3, "5xx": 2},
        "seconds": 0.75,
    }


def test_what_cannot_be_added_is_kept_from_the_first_worker() -> None:
    assert combined([{"version": "a", "on": True}, {"version": "b", "on": True}]) == {
        "workers": 2,
        "version": "a",
        "on": True,
    }


def test_a_host_without_workers_has_counted_nothing() -> None:
    assert combined([]) == {"workers": 0}


def test_what_is_known_of_a_component_is_added_over_the_workers() -> None:
    one = {
        "pools": [{"app": "a", "component": "x", "active": 1}, {"app": "a", "component": "y", "active": 2}]
    }
    two = {
        "pools": [{"app": "a", "component": "y", "active": 3}, {"app": "b", "component": "x", "active": 4}]
    }

    assert combined([one, two])["pools"] == [
        {"app": "a", "component": "x", "active": 1},
        {"app": "a", "component": "y", "active": 5},
        {"app": "b", "component": "x", "active": 4},
    ]
    assert one["pools"][1] == {"app": "a", "component": "y", "active": 2}


def test_what_a_component_was_denied_is_added_by_its_target() -> None:
    def denied(target: str, count: int) -> dict[str, object]:
        return {
            "app": "a",
            "component": "x",
            "import": "wasi:http/client",
            "target": target,
            "grant": f'http = ["{target}"]',
            "count": count,
        }

    one = {"denials": 3, "denied": [denied("https://a.example", 1), denied("https://b.example", 2)]}
    two = {"denials": 4, "denied": [denied("https://b.example", 3), denied("https://c.example", 1)]}

    assert combined([one, two]) == {
        "workers": 2,
        "denials": 7,
        "denied": [
            denied("https://a.example", 1),
            denied("https://b.example", 5),
            denied("https://c.example", 1),
        ],
    }


def test_what_became_of_messages_is_added_by_their_group() -> None:
    one = {"messaging": [{"app": "a", "component": "x", "group": "x", "taken": 1, "waiting": 7}]}
    two = {
        "messaging": [
            {"app": "a", "component": "x", "group": "x", "taken": 2},
            {"app": "a", "component": "x", "group": "y", "taken": 3},
        ]
    }

    assert combined([one, two])["messaging"] == [
        {"app": "a", "component": "x", "group": "x", "taken": 3, "waiting": 7},
        {"app": "a", "component": "x", "group": "y", "taken": 3},
    ]
