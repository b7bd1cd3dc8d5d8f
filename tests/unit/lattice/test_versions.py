"""An app that is in an assignment in two versions."""

from __future__ import annotations

from wisp.lattice.records import Assignment, Placed

OLD, NEW = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def assignment(*apps: Placed) -> Assignment:
    return Assignment(lattice="l", number=1, epoch=1, planner="a", apps=apps)


def test_a_host_is_told_one_version_of_an_app() -> None:
    old = Placed(app="shop", revision=1, digest=OLD, hosts=("a", "b"), leaving=("d",), share=90)
    new = Placed(app="shop", revision=2, digest=NEW, hosts=("c",), share=10)

    found = assignment(old, new)

    assert [found.on(host) for host in "abcd"] == [(old,), (old,), (new,), (old,)]


def test_the_version_that_is_wanted_comes_first() -> None:
    old = Placed(app="shop", revision=1, digest=OLD, hosts=("a",))
    new = Placed(app="shop", revision=2, digest=NEW, hosts=("b",))

    found = assignment(old, new)

    assert (found.placed("shop"), found.versions("shop")) == (new, (new, old))


def test_placement_knows_the_hosts_of_all_versions_but_not_those_that_are_extra() -> None:
    old = Placed(app="shop", revision=1, digest=OLD, hosts=("a", "b"))
    new = Placed(app="shop", revision=2, digest=NEW, hosts=("d", "c"), extra=("d",))

    assert assignment(old, new).last().hosts == {"shop": ("a", "b", "c")}


def test_jobs_run_on_one_host_of_one_version() -> None:
    old = Placed(app="shop", revision=1, digest=OLD, hosts=("a", "b"))
    new = Placed(app="shop", revision=2, digest=NEW, hosts=("c",), jobs=False)

    assert [host for host in "abc" for one in (old, new) if one.runs_jobs(host)] == ["a"]


def test_an_assignment_of_an_earlier_wisp_is_read() -> None:
    found = Placed.read(f'{{"app": "shop", "revision": 1, "digest": "{OLD}", "hosts": ["a"]}}'.encode())

    assert (found.share, found.proven, found.jobs, found.extra) == (100, True, True, ())
