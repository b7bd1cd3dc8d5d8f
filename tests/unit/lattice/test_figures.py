"""What is counted of versions, from what workers tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.lattice.plan.versions import WINDOW_SECONDS, WINDOWS, Window
from wisp.lattice.running.figures import Counting

if TYPE_CHECKING:
    from wisp.host.settings import JsonObject

SHOP = {"shop": "v1"}


def worker(
    requests: int, errors: int = 0, aborted: int = 0, duration: int = 0, app: str = "shop"
) -> JsonObject:
    one = {
        "app": app,
        "component": "c",
        "requests": requests,
        "responses": {"2xx": requests - errors, "5xx": errors},
        "aborted": aborted,
        "duration_us": duration,
    }
    return {"components": [one]}


def test_what_was_counted_before_anybody_looked_is_not_counted() -> None:
    counting = Counting()

    counting.take({1: worker(1_000_000, 5)}, SHOP, 0.0)
    counting.take({1: worker(1_000_010, 6, 1, 70)}, SHOP, 1.0)

    assert counting.of("shop", "v1") == (Window(0, 10, 2, 70),)


def test_windows_have_the_numbers_of_their_time() -> None:
    counting = Counting()

    for second in range(3):
        counting.take({1: worker(10 * second)}, SHOP, float(second * WINDOW_SECONDS))

    assert [(one.number, one.requests) for one in counting.of("shop", "v1")] == [(0, 0), (1, 10), (2, 10)]


def test_a_worker_that_takes_the_place_of_another_has_counted_from_nothing() -> None:
    counting = Counting()
    counting.take({1: worker(100)}, SHOP, 0.0)

    counting.take({2: worker(7)}, SHOP, 1.0)
    counting.take({2: worker(9), 3: worker(4)}, SHOP, 2.0)

    assert counting.of("shop", "v1") == (Window(0, 13, 0, 0),)


def test_another_version_begins_anew_and_other_apps_are_left_out() -> None:
    counting = Counting()
    counting.take({1: worker(0)}, SHOP, 0.0)
    counting.take({1: worker(5)}, SHOP, 1.0)

    counting.take({2: worker(3), 1: worker(9, app="blog")}, {"shop": "v2"}, 2.0)
    counting.take({2: worker(4)}, {"shop": "v2"}, 3.0)

    assert counting.of("shop", "v1") == ()
    assert counting.of("shop", "v2") == (Window(0, 1, 0, 0),)
    assert counting.of("blog", "v1") == ()


def test_what_another_host_has_answered_is_counted_there() -> None:
    counting = Counting()
    elsewhere = {**worker(0)["components"][0], "component": "(elsewhere)"}  # type: ignore[index]
    counting.take({1: {"components": [elsewhere]}}, SHOP, 0.0)

    here = worker(3)["components"][0]  # type: ignore[index]
    counting.take({1: {"components": [here, {**elsewhere, "requests": 90}]}}, SHOP, 1.0)

    assert counting.of("shop", "v1") == (Window(0, 3, 0, 0),)


def test_old_windows_are_forgotten() -> None:
    counting = Counting()

    for number in range(WINDOWS + 5):
        counting.take({1: worker(number)}, SHOP, float(number * WINDOW_SECONDS))

    assert len(counting.of("shop", "v1")) == WINDOWS
