"""The checker of histories finds what it is there to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.histories import Call, faults_of_counter, faults_of_list

if TYPE_CHECKING:
    from collections.abc import Sequence


def call(began: float, ended: float, outcome: Any = "done", **told: Any) -> Call:
    return Call("key", began, ended, outcome, **told)


def test_a_list_that_took_each_write_once_and_in_order_is_right() -> None:
    calls = [
        call(0, 1, word="a"),
        call(0, 2, seen=("a",)),
        call(2, 5, "unknown", word="b"),
        call(2, 4, "unknown", word="never"),
        call(3, 6, word="c"),
        call(3, 4, "refused", word="d"),
        call(7, 8, seen=("a", "b", "c")),
    ]

    assert list(faults_of_list(calls, ["a", "b", "c"])) == []


@pytest.mark.parametrize(
    ("final", "fault"),
    [
        (["b"], "a was acknowledged, and is lost"),
        (["a", "b", "a"], "a is there 2 times: it was written twice"),
        (["a", "b", "c"], "c is there, and nobody has written it"),
        (["a", "b", "no"], "no was refused, and is there"),
    ],
)
def test_a_write_that_is_lost_or_doubled_or_from_nowhere_is_found(final: Sequence[str], fault: str) -> None:
    calls = [call(0, 9, word="a"), call(0, 9, word="b"), call(0, 9, "refused", word="no")]

    assert fault in list(faults_of_list(calls, final))


def test_a_read_of_what_never_was_is_found() -> None:
    calls = [call(0, 9, word="a"), call(0, 9, word="b"), call(0, 9, seen=("b",))]

    assert any("which is no beginning" in fault for fault in faults_of_list(calls, ["a", "b"]))


def test_a_write_before_one_that_had_ended_is_found() -> None:
    calls = [call(0, 1, word="first"), call(2, 3, word="second")]

    assert list(faults_of_list(calls, ["first", "second"])) == []
    assert any("had ended before it began" in fault for fault in faults_of_list(calls, ["second", "first"]))


def test_a_read_that_missed_what_was_acknowledged_before_it_is_found() -> None:
    calls = [call(0, 1, word="a"), call(2, 3, seen=())]

    assert any("had ended before it began" in fault for fault in faults_of_list(calls, ["a"]))


def test_a_counter_that_told_each_sum_once_is_right() -> None:
    calls = [call(0, 1, total=1), call(0, 2, "unknown"), call(2, 3, total=3), call(0, 9, "refused")]

    assert list(faults_of_counter(calls, 3)) == []


@pytest.mark.parametrize(
    ("sums", "final", "fault"),
    [
        ((1, 1), 1, "the sum 1 was told 2 times: an increment is lost"),
        ((1, 2), 4, "2 increments were acknowledged and 1 may have been done, and the counter stands at 4"),
        ((1, 5), 3, "the sum 5 was told, and the counter stands at 3"),
    ],
)
def test_an_increment_that_is_lost_or_doubled_is_found(sums: Sequence[int], final: int, fault: str) -> None:
    calls = [call(0, 9, total=total) for total in sums] + [call(0, 9, "unknown")]

    assert fault in list(faults_of_counter(calls, final))


def test_a_sum_before_one_that_was_told_earlier_is_found() -> None:
    calls = [call(0, 1, total=2), call(2, 3, total=1)]

    assert any("had ended before it began" in fault for fault in faults_of_counter(calls, 2))
