"""The steps from one assignment to the next."""

from __future__ import annotations

from wisp.lattice.plan.planning import Situation, missing_from, successor
from wisp.lattice.records import App, Assignment, HostRecord, Observed, ObservedApp, Wishes

OLD, NEW = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def app(replicas: int = 1, digest: str = OLD, revision: int = 1) -> App:
    wishes = Wishes(replicas=replicas)
    return App(name="shop", revision=revision, digest=digest, version="1", wishes=wishes, since=0)


def situation(
    wanted: App, *hosts: str, draining: tuple[str, ...] = (), running: tuple[str, ...] = ()
) -> Situation:
    records = {
        name: HostRecord(name=name, token=name, url="http://h", workers=1, version="0") for name in hosts
    }
    observed = {
        name: Observed(
            host=name,
            assignment=1,
            apps=(ObservedApp(app="shop", revision=1, state="running", running=OLD),),
        )
        for name in running
    }
    return Situation({"shop": wanted}, records, draining, observed)


NOTHING = Assignment(lattice="l", number=0, epoch=1, planner="a")


def test_where_nothing_changes_the_assignment_is_the_same_one() -> None:
    first = successor(NOTHING, situation(app(), "a"))

    assert successor(first, situation(app(), "a")) is first


def test_a_drained_host_goes_on_until_another_one_runs_the_app() -> None:
    placed = successor(NOTHING, situation(app(), "a", running=("a",)))

    moving = successor(placed, situation(app(), "a", "b", draining=("a",), running=("a",)))
    moved = successor(moving, situation(app(), "a", "b", draining=("a",), running=("a", "b")))

    assert (moving.apps[0].hosts, moving.apps[0].leaving) == (("b",), ("a",))
    assert (moved.apps[0].hosts, moved.apps[0].leaving) == (("b",), ())


def test_a_drained_host_goes_on_when_there_is_no_other() -> None:
    placed = successor(NOTHING, situation(app(), "a", running=("a",)))

    draining = successor(placed, situation(app(), "a", draining=("a",), running=("a",)))

    assert (draining.apps[0].hosts, draining.apps[0].leaving) == ((), ("a",))
    assert draining.missing[0].reason == "every host that fits is being drained"


def test_a_host_that_no_longer_fits_does_not_go_on() -> None:
    placed = successor(NOTHING, situation(app(), "a", running=("a",)))
    picky = app(revision=2).model_copy(update={"wishes": Wishes(require={"zone": "eu"})})

    moved = successor(placed, situation(picky, "a", running=("a",)))

    assert moved.apps[0].everywhere == ()


def test_a_host_that_is_gone_does_not_go_on() -> None:
    placed = successor(NOTHING, situation(app(), "a", running=("a",)))

    moved = successor(placed, situation(app(), "b"))

    assert (moved.apps[0].hosts, moved.apps[0].leaving) == (("b",), ())


def test_hosts_that_are_lost_may_still_be_asked_until_one_that_is_there_answers() -> None:
    placed = successor(NOTHING, situation(app(2), "a", "b", running=("a", "b")))

    moving = successor(placed, situation(app(2), "c", "d"))
    again = successor(moving, situation(app(2), "b", "c", "d"))
    moved = successor(again, situation(app(2), "b", "c", "d", running=("c",)))

    assert (moving.apps[0].hosts, moving.apps[0].away) == (("c", "d"), ("a", "b"))
    assert again.apps[0].away == ("a",)
    assert moved.apps[0].away == ()


def test_a_host_that_is_lost_is_not_asked_where_another_one_answers() -> None:
    placed = successor(NOTHING, situation(app(2), "a", "b", running=("a", "b")))

    moving = successor(placed, situation(app(2), "b", "c", running=("b",)))

    assert moving.apps[0].away == ()


def test_fewer_replicas_end_at_once() -> None:
    placed = successor(NOTHING, situation(app(2), "a", "b"))

    fewer = successor(placed, situation(app(1, revision=2), "a", "b", running=("a", "b")))

    assert len(fewer.apps[0].everywhere) == 1


def test_a_new_version_stays_where_the_old_one_is() -> None:
    placed = successor(NOTHING, situation(app(2), "a", "b", "c"))

    updated = successor(placed, situation(app(2, NEW, 2), "a", "b", "c"))

    assert updated.last().hosts == placed.last().hosts
    assert [(one.digest, one.hosts, one.extra) for one in updated.apps] == [
        (NEW, ("a",), ("a",)),
        (OLD, placed.apps[0].hosts, ()),
    ]


def test_what_cannot_be_placed_is_written_down_with_its_reason() -> None:
    made = successor(NOTHING, situation(app(3), "a"))

    assert [(one.app, one.count) for one in made.missing] == [("shop", 2)]


def test_a_record_that_is_older_than_what_runs_takes_nothing_back() -> None:
    placed = successor(NOTHING, situation(app(2, NEW, 7), "a", "b"))

    after = successor(placed, situation(app(1, OLD, 6), "a", "b", "c"))

    assert after.apps == placed.apps
    assert missing_from(placed, situation(app(1, OLD, 6), "a")) == {"shop"}


def test_an_app_that_was_deleted_before_it_ran_again_goes_on_when_only_its_end_is_remembered() -> None:
    placed = successor(NOTHING, situation(app(1, NEW, 3), "a"))
    deleted = app(1, OLD, 2).model_copy(update={"deleted": True})

    assert successor(placed, situation(deleted, "a")) is placed
