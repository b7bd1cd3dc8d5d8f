"""Whether a new version does worse than the one before, from what hosts have counted."""

from __future__ import annotations

import pytest

from wisp.lattice.plan.judging import compare, judge, taken_back
from wisp.lattice.plan.versions import Strategy, Version, Window
from wisp.lattice.records import App, Observed, ObservedApp, Placed, Wishes

OLD, NEW = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
OLD_PLACED = Placed(app="shop", revision=1, digest=OLD, hosts=("a",), share=50)
NEW_PLACED = Placed(app="shop", revision=2, digest=NEW, hosts=("b",), share=50, proven=False)
BOTH = (NEW_PLACED, OLD_PLACED)


def app(**strategy: object) -> App:
    return App(
        name="shop",
        revision=2,
        digest=NEW,
        version="2",
        wishes=Wishes(replicas=2),
        since=0,
        strategy=Strategy.model_validate(strategy),
        history=(
            Version(revision=1, digest=OLD, version="1", at=1),
            Version(revision=2, digest=NEW, version="2", at=2),
        ),
    )


def said(host: str, digest: str, *windows: tuple[int, int, int, int]) -> Observed:
    one = ObservedApp(
        app="shop",
        revision=1,
        state="running",
        running=digest,
        figures=tuple(Window(*window) for window in windows),
    )
    return Observed(host=host, assignment=1, apps=(one,))


def observed(old: tuple[int, int, int], new: tuple[int, int, int]) -> dict[str, Observed]:
    """Say requests, failures and microseconds of each, in one window."""
    return {"a": said("a", OLD, (7, *old)), "b": said("b", NEW, (7, *new))}


def test_a_version_that_fails_more_often_is_to_be_taken_back_and_the_figures_say_why() -> None:
    verdict = judge(app(), BOTH, observed((2000, 2, 2_000_000), (230, 28, 230_000)))

    assert verdict is not None
    assert verdict.to == OLD_PLACED
    assert verdict.why == "12.2 % of 230 requests failed, of the version before 0.1 % of 2,000"
    assert (verdict.figures.new.failures, verdict.figures.old.requests) == (28, 2000)


def test_a_version_that_is_slower_is_to_be_taken_back() -> None:
    verdict = judge(app(), BOTH, observed((100, 0, 1_000_000), (100, 0, 5_000_000)))

    assert verdict is not None
    assert verdict.why == "100 requests took 50.0 ms on average, 100 of the version before 10.0 ms"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ((2000, 0, 0), (49, 49, 0), "too few requests of the new one"),
        ((49, 0, 0), (2000, 2000, 0), "too few requests of the old one"),
        ((1000, 300, 0), (1000, 340, 0), "both fail: what they need is away"),
        (
            (1000, 0, 1_000_000),
            (1000, 0, 9_000_000),
            "nine times as long, and yet nothing that anybody notices",
        ),
        ((1000, 0, 500_000_000), (1000, 0, 900_000_000), "not three times as long"),
    ],
)
def test_nothing_is_held_against_a_version(
    old: tuple[int, int, int], new: tuple[int, int, int], why: str
) -> None:
    assert judge(app(), BOTH, observed(old, new)) is None, why


def test_thresholds_are_options() -> None:
    seen = observed((100, 0, 1_000_000), (100, 3, 2_500_000 + 2_000_000))

    assert judge(app(), BOTH, seen).why.startswith("100 requests took 45.0 ms")  # type: ignore[union-attr]
    assert judge(app(slower=10), BOTH, seen) is None
    assert judge(app(slower=10, errors=2), BOTH, seen).why.startswith("3.0 %")  # type: ignore[union-attr]
    assert judge(app(minimum=101), BOTH, seen) is None
    assert judge(app(automatic=False), BOTH, seen) is None


def test_only_the_time_in_which_both_have_answered_is_compared() -> None:
    seen = {
        "a": said("a", OLD, (6, 1000, 900, 0), (7, 100, 1, 0), (8, 100, 2, 0)),
        "b": said("b", NEW, (7, 10, 0, 0), (8, 10, 1, 0), (9, 10, 10, 0)),
    }

    found = compare(NEW_PLACED, OLD_PLACED, seen)

    assert (found.old.requests, found.old.failures) == (200, 3)
    assert (found.new.requests, found.new.failures) == (20, 1)


def test_what_a_host_counted_of_another_version_is_not_of_this_one() -> None:
    seen = {"a": said("a", OLD, (7, 100, 0, 0)), "b": said("b", OLD, (7, 100, 100, 0))}

    assert judge(app(), BOTH, seen) is None


@pytest.mark.parametrize("proven", ["the new one has proven itself", "the old one has not"])
def test_a_version_is_taken_back_only_for_one_that_is_known_to_do_better(proven: str) -> None:
    new = NEW_PLACED.model_copy(update={"proven": proven == "the new one has proven itself"})
    old = OLD_PLACED.model_copy(update={"proven": proven == "the new one has proven itself"})

    assert judge(app(), (new, old), observed((100, 0, 0), (100, 100, 0))) is None


def test_the_record_that_takes_a_version_back_has_the_decision_in_its_history() -> None:
    before = app(canary=10)
    verdict = judge(before, BOTH, observed((100, 0, 0), (100, 100, 0)))
    assert verdict is not None

    after = taken_back(before, verdict, 9)

    assert (after.revision, after.digest, after.version, after.hurry) == (3, OLD, "1", True)
    assert after.strategy.canary is None
    assert [(one.revision, one.withdrawn, one.figures is not None) for one in after.history] == [
        (1, False, False),
        (2, True, False),
        (3, False, True),
    ]
    assert after.history[-1].why == verdict.why
