"""Planners on a real server: one writes at a time, whatever they believe of themselves."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.lattice import state as states
from wisp.lattice.commands import control
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.tasks import ended
from wisp.lattice.plan.lease import Lease
from wisp.lattice.plan.planner import Planner
from wisp.lattice.plan.planning import Situation
from wisp.lattice.plan.versions import Window
from wisp.lattice.records import App, Assignment, HostRecord, Observed, ObservedApp, Wishes
from wisp.lattice.state import ASSIGNMENT, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.integration.lattice.conftest import Connect
    from wisp.lattice.state import State

QUICK = Timing(lease=2.0, renew=0.3, settle=2.0)
DIGEST, WORSE = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def app(name: str, *, replicas: int = 1, revision: int = 1, deleted: bool = False) -> App:
    return App(
        name=name,
        revision=revision,
        digest=DIGEST,
        version="1",
        wishes=Wishes(replicas=replicas),
        since=0,
        deleted=deleted,
    )


def record(name: str) -> HostRecord:
    return HostRecord(name=name, token=name, url="http://127.0.0.1:1", workers=1, version="0")


def situation(*apps: App, hosts: tuple[str, ...] = ("a",)) -> Situation:
    return Situation({one.name: one for one in apps}, {name: record(name) for name in hosts}, (), {})


def planner(state: State, name: str) -> Planner:
    return Planner(state, name, lambda event, message: None, QUICK)


@asynccontextmanager
async def present(state: State, name: str) -> AsyncIterator[asyncio.Task[None]]:
    """A host that renews its lease, and does nothing else."""
    lease = await Lease.take(state.live, f"host.{name}", record(name).to_bytes(), QUICK)
    keeping = asyncio.create_task(lease.keep())
    try:
        yield keeping
    finally:
        await ended([keeping])


async def until(state: State, true: Callable[[Assignment], bool]) -> Assignment:
    """Wait for an assignment of which something is true."""
    async with asyncio.timeout(20), state.desired.mirror(ASSIGNMENT) as mirror:
        while True:
            entry = mirror.entries.get(ASSIGNMENT)
            if entry is not None and true(found := Assignment.read(entry.value)):
                return found
            await mirror.changed()


@asynccontextmanager
async def running(*planners: Planner) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.run()) for one in planners]
    try:
        yield tasks
    finally:
        await ended(tasks)


async def followers(state: State) -> set[str]:
    """Return the names of all who follow the planner's lease and have all there is, as the server knows them."""
    consumers = await state.live._jetstream.consumers_info("KV_wisp-test-live")
    subject = "$KV.wisp-test-live.planner"
    return {one.name for one in consumers if one.config.filter_subject == subject and one.num_pending == 0}


async def waiting(state: State, count: int, before: set[str]) -> None:
    """Wait until so many planners wait for the lease, beside those that followed it before and may not be forgotten yet."""
    async with asyncio.timeout(20):
        while len(await followers(state) - before) < count:
            pass


async def test_two_planners_at_once_cannot_both_write(open_state: Connect) -> None:
    one, other = planner(await open_state(), "a"), planner(await open_state(), "b")
    await one.claim()
    await other.claim()

    written = await other.step(situation(app("shop")))
    with pytest.raises(Conflict):
        await one.step(situation(app("shop"), app("blog")))

    found = await (await open_state()).assignment()
    assert found == written
    assert [placed.app for placed in written.apps] == ["shop"]


async def test_a_planner_that_another_one_has_replaced_cannot_write_even_when_that_has_written_nothing(
    open_state: Connect,
) -> None:
    frozen, other = planner(await open_state(), "a"), planner(await open_state(), "b")
    await frozen.claim()

    claimed = await other.claim()

    with pytest.raises(Conflict):
        await frozen.step(situation(app("shop")))
    assert (claimed.epoch, claimed.planner) == (2, "b")


async def test_many_planners_that_believe_to_be_the_only_one_write_one_chain(open_state: Connect) -> None:
    planners = [planner(await open_state(), f"host-{number}") for number in range(4)]
    state = await open_state()

    async def insist(one: Planner, number: int) -> int:
        written = 0
        for attempt in range(10):
            try:
                await one.claim()
                await one.step(situation(app(f"app-{number}-{attempt}")))
                written += 2
            except Conflict:
                pass
        return written

    written = sum(await asyncio.gather(*(insist(one, number) for number, one in enumerate(planners))))

    found = await state.assignment()
    assert found is not None
    assert written > 2
    # Half of an attempt may have been written, too: the claim.
    assert found.number >= written
    assert (await state.desired.get(ASSIGNMENT)) is not None
    history = await state.desired._keys.history(ASSIGNMENT)
    numbers = [Assignment.read(entry.value or b"").number for entry in history]
    assert numbers == list(range(found.number - len(numbers) + 1, found.number + 1))


async def test_apps_are_placed_when_they_are_deployed_and_gone_when_they_are_deleted(
    open_state: Connect,
) -> None:
    state = await open_state()
    async with present(state, "a"), present(state, "b"), running(planner(await open_state(), "a")):
        await state.desired.put("app.shop", app("shop", replicas=2).to_bytes())
        placed = await until(state, lambda found: found.placed("shop") is not None)
        await state.desired.put("app.shop", app("shop", revision=2, deleted=True).to_bytes())
        gone = await until(state, lambda found: found.placed("shop") is None)

    assert placed.apps[0].hosts == ("a", "b")
    assert gone.number > placed.number


async def test_the_replicas_of_a_host_whose_lease_ends_are_placed_elsewhere(open_state: Connect) -> None:
    state = await open_state()
    async with present(state, "a") as a, present(state, "b") as b, running(planner(await open_state(), "c")):
        await state.desired.put("app.shop", app("shop").to_bytes())
        before = await until(state, lambda found: found.placed("shop") is not None)
        lost = before.apps[0].hosts[0]
        await ended([{"a": a, "b": b}[lost]])

        after = await until(state, lambda found: found.apps[0].hosts != (lost,))

    assert after.apps[0].hosts == ({"a": "b", "b": "a"}[lost],)


async def test_another_host_plans_when_the_planner_is_gone(open_state: Connect) -> None:
    state = await open_state()
    async with present(state, "x"), running(planner(await open_state(), "a")) as first:
        await until(state, lambda found: found.planner == "a")
        async with running(planner(await open_state(), "b")):
            await ended(first)
            await state.desired.put("app.shop", app("shop").to_bytes())
            found = await until(state, lambda found: found.placed("shop") is not None)

    assert found.planner == "b"


async def test_a_new_planner_waits_for_hosts_that_may_be_on_their_way_back(open_state: Connect) -> None:
    state = await open_state()
    first = planner(await open_state(), "a")
    await first.claim()
    await first.step(situation(app("shop", replicas=2), hosts=("a", "b")))
    await state.desired.put("app.shop", app("shop", replicas=2).to_bytes())

    # NATS has been away: no lease is left, and the hosts come back one after the other.
    async with present(state, "a"), running(planner(await open_state(), "a")):
        claimed = await until(state, lambda found: found.epoch == 2)
        async with present(state, "b"):
            await state.desired.put("app.blog", app("blog").to_bytes())
            found = await until(state, lambda found: found.placed("blog") is not None)

    assert claimed.apps[0].hosts == ("a", "b")
    assert found.placed("shop") == claimed.placed("shop")


async def test_when_only_the_planner_is_gone_with_its_host_who_was_there_all_the_time_waits_for_nobody(
    open_state: Connect,
) -> None:
    state, patient = await open_state(), replace(QUICK, settle=60.0)
    successor = Planner(await open_state(), "b", lambda event, message: None, patient)
    async with present(state, "a") as lease, present(state, "b"), running(planner(state, "a")) as first:
        await state.desired.put("app.shop", app("shop", replicas=2).to_bytes())
        before = await until(state, lambda found: found.placed("shop") is not None)
        a_minute_ago = asyncio.get_running_loop().time() - patient.settle
        following = asyncio.create_task(successor.run(since=a_minute_ago))
        await ended([lease])
        await state.live.remove("host.a")
        await ended(first)

        after = await until(state, lambda found: found.planner == "b" and found.apps != before.apps)
        await ended([following])

    assert before.apps[0].hosts == ("a", "b")
    assert after.apps[0].hosts == ("b",)


async def test_who_has_been_there_for_longer_plans_when_the_planner_is_gone(open_state: Connect) -> None:
    state = await open_state()
    async with present(state, "x"), running(planner(await open_state(), "a")) as first:
        await until(state, lambda found: found.planner == "a")
        before = await followers(state)
        others = [asyncio.create_task(planner(await open_state(), name).run()) for name in ("b", "c", "d")]
        long_ago = asyncio.get_running_loop().time() - QUICK.settle
        others.append(asyncio.create_task(planner(await open_state(), "old").run(since=long_ago)))
        await waiting(state, len(others), before)
        await ended(first)
        found = await until(state, lambda found: found.planner != "a")
        await ended(others)

    assert found.planner == "old"


async def test_a_planner_that_has_just_come_waits_for_the_planner_before_it(open_state: Connect) -> None:
    state, patient = await open_state(), replace(QUICK, settle=60.0)
    first = planner(state, "a")
    await first.claim()
    await first.step(situation(app("shop"), hosts=("a",)))
    await state.desired.put("app.shop", app("shop").to_bytes())
    await state.desired.put("app.blog", app("blog").to_bytes())
    successor = Planner(await open_state(), "b", lambda event, message: None, patient)

    async with present(state, "b"):
        following = asyncio.create_task(successor.run())
        claimed = await until(state, lambda found: found.epoch == 2)
        async with present(state, "a"):
            found = await until(state, lambda found: found.placed("blog") is not None)
        await ended([following])

    assert claimed.apps[0].hosts == ("a",)
    assert found.placed("shop") == claimed.placed("shop")


async def test_an_app_that_the_bucket_has_lost_stays_where_it_is(open_state: Connect) -> None:
    state = await open_state()
    first = planner(state, "a")
    await first.claim()
    await first.step(situation(app("shop"), app("blog")))

    after = await first.step(situation(app("blog", replicas=0, revision=2)))

    assert after.placed("shop") is not None


async def test_records_that_are_older_than_what_runs_take_nothing_back_and_that_is_said(
    open_state: Connect,
) -> None:
    state = await open_state()
    said: list[tuple[str, str]] = []
    first = planner(state, "x")
    await first.claim()
    await first.step(situation(app("shop", revision=7)))
    await state.desired.put("app.shop", app("shop", replicas=3, revision=6).to_bytes())
    second = Planner(await open_state(), "b", lambda event, message: said.append((event, message)), QUICK)

    async with present(state, "a"), running(second):
        await state.desired.put("app.blog", app("blog").to_bytes())
        found = await until(state, lambda found: found.placed("blog") is not None)

    [lost] = [message for event, message in said if event == "lost"]
    assert "shop" in lost
    assert [(one.revision, one.hosts) for one in found.apps if one.app == "shop"] == [(7, ("a",))]


async def test_what_is_wanted_after_nats_was_set_back_counts_on_from_what_runs(open_state: Connect) -> None:
    state = await open_state()
    await state.founded()
    first = planner(state, "x")
    await first.claim()
    await first.step(situation(app("shop", revision=7)))
    await state.desired.put("app.shop", app("shop", revision=2).to_bytes())

    scaled = await control.scale(await open_state(), "shop", {"replicas": 2})

    assert scaled.revision == 8


async def test_where_the_objects_of_an_app_are_lost_the_message_names_it(open_state: Connect) -> None:
    state = await open_state()
    await state.founded()
    await state.desired.put("app.shop", app("shop").to_bytes())
    locked = {
        "schema": 1,
        "name": "blog",
        "version": "1",
        "http": [],
        "cron": [],
        "secrets": {},
        "components": {},
    }
    bundle = control.Bundle("blog", "1", json.dumps(locked).encode(), {})

    with pytest.raises(
        LatticeError, match="claims requests of shop cannot be told: the lattice has no object"
    ):
        await control.deploy(await open_state(), bundle, {}, lambda message: None)


async def test_when_all_leases_end_at_once_nothing_is_moved(open_state: Connect) -> None:
    state = await open_state()
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(present(state, name)) for name in ("a", "b", "c")]
        async with running(planner(await open_state(), "a")):
            await state.desired.put("app.shop", app("shop", replicas=2).to_bytes())
            before = await until(state, lambda found: found.placed("shop") is not None)
            await ended(hosts)
            for name in ("a", "b", "c"):
                await state.live.remove(f"host.{name}")
            for name in ("a", "b", "c"):
                await stack.enter_async_context(present(state, name))
            await state.desired.put("app.blog", app("blog").to_bytes())
            await until(state, lambda found: found.placed("blog") is not None)

    history = [Assignment.read(value) for value in await state.desired.history(ASSIGNMENT)]
    since = [one for one in history if one.number >= before.number]
    assert {one.placed("shop") for one in since} == {before.placed("shop")}
    assert {tuple(sorted(one.marks)) for one in since} == {("a", "b", "c")}


def observed(host: str, digest: str, requests: int, failures: int) -> Observed:
    windows = (Window(1, requests, failures, 0),)
    one = ObservedApp(app="shop", revision=2, state="running", running=digest, figures=windows)
    return Observed(host=host, assignment=1, apps=(one,))


async def two_versions(state: State) -> tuple[Planner, Situation, Assignment]:
    """Bring an app into two versions, of which the new one fails, and return who has planned that and what is known then."""
    first = planner(state, "a")
    await first.claim()
    await first.step(situation(app("shop"), hosts=("a", "b")))
    old = await first.step(
        replace(situation(app("shop"), hosts=("a", "b")), observed={"a": observed("a", DIGEST, 1, 0)})
    )
    [host] = old.apps[0].hosts
    [other] = {"a", "b"} - {host}
    said = {host: observed(host, DIGEST, 100, 0), other: observed(other, WORSE, 100, 100)}
    known = replace(situation(app("shop"), hosts=("a", "b")), observed=said)
    await first.step(known)
    changed = app("shop", revision=2).model_copy(update={"digest": WORSE})
    await state.desired.put("app.shop", changed.to_bytes())
    now = replace(known, apps={"shop": changed})
    following = await first.step(now)
    assert len(following.versions("shop")) == 2
    return first, now, following


async def test_a_version_that_does_worse_is_taken_back_in_place_of_the_record_that_was_judged(
    open_state: Connect,
) -> None:
    state = await open_state()
    first, now, following = await two_versions(state)
    async with state.desired.mirror("app.*") as desired:
        await first.take_back(following, now, desired)
    found = await state.desired.get("app.shop")

    assert found is not None
    taken = App.read(found.value)
    assert (taken.revision, taken.digest) == (3, DIGEST)
    assert taken.history[-1].why == "100.0 % of 100 requests failed, of the version before 0.0 % of 100"


async def test_what_somebody_has_deployed_meanwhile_is_not_taken_back(open_state: Connect) -> None:
    state = await open_state()
    first, now, following = await two_versions(state)
    async with state.desired.mirror("app.*") as desired:
        # The mirror of a planner that was frozen knows the record that it has judged.
        judged = dict(desired.entries)
        await state.desired.put("app.shop", app("shop", revision=3).to_bytes())
        await desired.changed()
        desired.entries.update(judged)

        await first.take_back(following, now, desired)
    found = await state.desired.get("app.shop")

    assert found is not None
    assert App.read(found.value) == app("shop", revision=3)


async def test_a_record_that_is_none_stops_nothing(open_state: Connect) -> None:
    state = await open_state()
    async with present(state, "a"), running(planner(await open_state(), "a")):
        await state.desired.put("app.shop", app("shop").to_bytes())
        await until(state, lambda found: found.placed("shop") is not None)
        await state.desired.put("app.shop", b"{}")
        await state.live.put("host.liar", b"not JSON")
        await state.desired.put("app.blog", app("blog").to_bytes())
        found = await until(state, lambda found: found.placed("blog") is not None)

    assert found.placed("shop") is not None
    assert states.hosts({}) == {}
