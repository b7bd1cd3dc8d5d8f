"""What more than written down was counted is only believed when it is counted every time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from counting import sequences

if TYPE_CHECKING:
    from collections.abc import Callable


def _rounds(*counted: list[int]) -> tuple[Callable[[], list[Counter[str]]], list[int]]:
    """What each round counts, request by request, the last for ever; and how many rounds there were."""
    done: list[int] = []

    def once() -> list[Counter[str]]:
        requests = counted[min(len(done), len(counted) - 1)]
        done.append(1)
        return [Counter(calls=request) for request in requests]

    return once, done


def test_what_is_as_written_down_is_counted_three_times() -> None:
    once, done = _rounds([1, 1])

    assert sequences._settled(once, Counter(calls=2)) == Counter(calls=2)
    assert len(done) == 3


def test_requests_that_were_disturbed_in_different_rounds_are_counted_undisturbed() -> None:
    once, done = _rounds([5, 1, 1], [1, 7, 1], [1, 1, 3])

    assert sequences._settled(once, Counter(calls=3)) == Counter(calls=3)
    assert len(done) == 3


def test_a_request_that_was_disturbed_in_every_round_is_counted_again() -> None:
    once, done = _rounds([1, 4], [1, 4], [1, 4], [1, 4], [1, 1])

    assert sequences._settled(once, Counter(calls=2)) == Counter(calls=2)
    assert len(done) == 5


def test_a_request_that_always_takes_more_is_believed_in_the_end() -> None:
    once, done = _rounds([1, 2])

    assert sequences._settled(once, Counter(calls=2)) == Counter(calls=3)
    assert len(done) == sequences.MOST_ROUNDS


def test_a_request_that_takes_less_is_believed_at_once() -> None:
    once, done = _rounds([1, 0])

    assert sequences._settled(once, Counter(calls=2)) == Counter(calls=1)
    assert len(done) == 3


def test_what_nothing_is_written_down_for_is_counted_eight_times() -> None:
    once, done = _rounds([1, 2])

    assert sequences._settled(once, None) == Counter(calls=3)
    assert len(done) == 8
