"""The numbers of the guard: read, compared, written down with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from counting import expected

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# What stands here stays.
[fresh.allocations]
is = {allocations = 256}
reason = "two blocks: the head and the body"

[fresh."system calls"]
is = {recvfrom = 128, writev = 128}
reason = "one of each"
"""


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "guard.toml"
    path.write_text(TEXT)
    return path


def _told(numbers: Path, counted: expected.Counts) -> list[str]:
    return [str(one) for one in expected.differences(expected.read(numbers), counted, 128)]


def test_counts_that_are_as_written_down_differ_in_nothing(numbers: Path) -> None:
    counted: expected.Counts = {"fresh": {"allocations": {"allocations": 256}}}

    assert _told(numbers, counted) == []


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        (384, "3 for a request instead of 2, 1 more (384 instead of 256 in 128 requests)"),
        (257, "2.01 for a request instead of 2, 0.01 more (257 instead of 256 in 128 requests)"),
        (128, "1 for a request instead of 2, 1 fewer (128 instead of 256 in 128 requests)"),
    ],
)
def test_one_allocation_more_or_fewer_is_told(numbers: Path, counted: int, told: str) -> None:
    assert _told(numbers, {"fresh": {"allocations": {"allocations": counted}}}) == [
        f"fresh: allocations: {told}"
    ]


def test_a_call_that_was_never_made_before_is_told(numbers: Path) -> None:
    calls = {"recvfrom": 128, "writev": 128, "futex": 1}

    assert _told(numbers, {"fresh": {"system calls": calls}}) == [
        "fresh: system calls, futex: 0.01 for a request instead of 0, 0.01 more (1 instead of 0 in 128 requests)"
    ]


def test_a_call_that_is_not_made_any_more_is_told(numbers: Path) -> None:
    (told,) = _told(numbers, {"fresh": {"system calls": {"recvfrom": 128}}})

    assert told.startswith("fresh: system calls, writev: 0 for a request instead of 1, 1 fewer")


def test_only_numbers_that_changed_get_the_new_reason(numbers: Path) -> None:
    counted: expected.Counts = {
        "fresh": {
            "allocations": {"allocations": 300},
            "system calls": {"writev": 128, "recvfrom": 128},
        },
        "reused": {"allocations": {"allocations": 7}},
    }

    expected.write(numbers, counted, "a header more")

    text = numbers.read_text()
    assert text.startswith("# What stands here stays.\n")
    assert text.count('reason = "a header more"') == 2
    assert 'reason = "one of each"' in text
    assert list(expected.differences(expected.read(numbers), counted, 128)) == []


def test_a_number_without_a_reason_is_refused(numbers: Path) -> None:
    numbers.write_text(TEXT.replace('reason = "one of each"', 'reason = ""'))

    with pytest.raises(expected.NumbersError, match="fresh: system calls has no reason"):
        expected.read(numbers)


def test_what_is_not_toml_is_refused_with_the_name_of_the_file(numbers: Path) -> None:
    numbers.write_text("[fresh")

    with pytest.raises(expected.NumbersError, match=r"guard\.toml: "):
        expected.read(numbers)
