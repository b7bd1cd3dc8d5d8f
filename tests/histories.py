"""Looks at what clients were told by a store, and says whether one store that does one thing after another could have told it.

Two kinds of keys make that easy to see without trying all orders. To a **list**, each write appends a word that no other has, by
compare-and-set; so the value at the end has every write that went through, in the order in which they did, and every value that was read is
a beginning of it. A **counter** is increased by one at a time, and each sum is told once.

A call may end with an answer, with a refusal that says that nothing was done, or without either; what became of that nobody knows, and
it may have been done at any time after the call began.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


Outcome = Literal["done", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client."""

    key: str
    began: float
    ended: float
    outcome: Outcome
    word: str | None = None
    """What was appended to a list; None for an increment or a read."""

    seen: tuple[str, ...] | None = None
    """The list that a read has told."""

    total: int | None = None
    """The sum that an increment has told."""


def outcome(status: int, body: bytes) -> Outcome:
    """Return what an answer of the guest `capabilities` says of a write."""
    if status == 200:
        return "done"
    refused = body.startswith(b"changed: ") or body.endswith(b"nothing was done")
    return "refused" if refused else "unknown"


def faults_of_list(calls: Sequence[Call], final: Sequence[str]) -> Iterator[str]:
    """Say what no list can have told, whose words are these at the end."""
    places = {word: place for place, word in enumerate(final)}
    yield from _miscounted(calls, final)
    for call in calls:
        if call.seen is not None and tuple(final[: len(call.seen)]) != call.seen:
            yield f"{call.seen} was read, which is no beginning of what is there"
    yield from _out_of_order(_placed(calls, places))


def _miscounted(calls: Sequence[Call], final: Sequence[str]) -> Iterator[str]:
    """Say which words are there twice, or from nowhere, or are lost."""
    for word, times in Counter(final).items():
        if times > 1:
            yield f"{word} is there {times} times: it was written twice"
    known = {call.word: call for call in calls if call.word}
    for word in sorted(set(final) - set(known)):
        yield f"{word} is there, and nobody has written it"
    for word, call in known.items():
        if call.outcome == "done" and word not in final:
            yield f"{word} was acknowledged, and is lost"
        if call.outcome == "refused" and word in final:
            yield f"{word} was refused, and is there"


def _placed(calls: Sequence[Call], places: dict[str, int]) -> list[tuple[Call, float]]:
    """Return where each call stands in the order that the list shows: a read stands between two writes."""
    placed: list[tuple[Call, float]] = []
    for call in calls:
        if call.seen is not None and call.outcome == "done":
            placed.append((call, len(call.seen) - 0.5))
        elif call.word in places:
            placed.append((call, places[call.word]))
    return placed


def faults_of_counter(calls: Sequence[Call], final: int) -> Iterator[str]:
    """Say what no counter can have told that stands at this sum at the end."""
    sums = [(call, call.total) for call in calls if call.outcome == "done" and call.total is not None]
    for total, times in Counter(total for _, total in sums).items():
        if times > 1:
            yield f"the sum {total} was told {times} times: an increment is lost"
        if not 1 <= total <= final:
            yield f"the sum {total} was told, and the counter stands at {final}"
    unknown = sum(call.outcome == "unknown" for call in calls)
    if not len(sums) <= final <= len(sums) + unknown:
        yield f"{len(sums)} increments were acknowledged and {unknown} may have been done, and the counter stands at {final}"
    yield from _out_of_order([(call, float(total)) for call, total in sums])


def _out_of_order(placed: Sequence[tuple[Call, float]]) -> Iterator[str]:
    """Say which calls stand before others that had ended before they began."""
    by_start = sorted(placed, key=lambda one: one[0].began)
    ended = sorted((one for one in placed if one[0].outcome == "done"), key=lambda one: one[0].ended)
    highest: tuple[Call, float] | None = None
    index = 0
    for call, place in by_start:
        while index < len(ended) and ended[index][0].ended < call.began:
            if highest is None or ended[index][1] > highest[1]:
                highest = ended[index]
            index += 1
        if highest is not None and place < highest[1]:
            yield f"{call} stands before {highest[0]}, which had ended before it began"
