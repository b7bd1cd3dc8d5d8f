from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wisp.host.backoff import HEALTHY_AFTER, LONGEST_DELAY, Backoff


def test_the_first_restart_is_at_once_and_the_next_ones_wait_twice_as_long_each() -> None:
    backoff = Backoff()

    delays = [backoff.after(0.0) for _ in range(10)]

    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_minute_of_health_forgets_the_crashes_before() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(1.0)

    assert backoff.after(HEALTHY_AFTER) == 0.0
    assert backoff.after(HEALTHY_AFTER - 1) == 0.1


@given(st.lists(st.floats(min_value=0, max_value=200), min_size=1, max_size=2000))
def test_no_delay_is_negative_or_longer_than_the_longest(lives: list[float]) -> None:
    backoff = Backoff()

    assert all(0.0 <= backoff.after(lived) <= LONGEST_DELAY for lived in lives)
