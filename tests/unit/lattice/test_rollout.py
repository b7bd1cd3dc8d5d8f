"""Rollouts in a small world: hosts that carry out assignments when they like, and planners that die at any step."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from wisp.lattice.plan.planning import Situation, successor
from wisp.lattice.plan.versions import Strategy
from wisp.lattice.records import App, Assignment, HostRecord, Observed, ObservedApp, Placed, State, Wishes

OLD, NEW, NEXT = (f"sha256:{digit * 64}" for digit in "123")
NAMES = tuple("abcdef")
FAIR = 120
"""Rounds in which everybody does what there is to do; more than any rollout of this size takes."""

QUIET = 8
"""Rounds, of a second each, in which nothing happens when there is nothing more to do."""


@dataclass
class World:
    """A lattice without NATS: who is there, what each host runs, what is wanted, and the newest assignment."""

    app: App
    hosts: set[str]
    bad: frozenset[tuple[str, str]] = frozenset()
    """Which version fails on which host."""

    restarts: bool = False
    """Whether each step is made by another planner, which has read what the last one wrote."""

    assignment: Assignment = field(
        default_factory=lambda: Assignment(lattice="l", number=0, epoch=1, planner="a")
    )
    running: dict[str, str] = field(default_factory=dict)
    said: dict[str, ObservedApp] = field(default_factory=dict)
    now: int = 1_000

    def plan(self) -> bool:
        """Write the next assignment; False when there is nothing to change."""
        before = Assignment.read(self.assignment.to_bytes()) if self.restarts else self.assignment
        records = {
            name: HostRecord(name=name, token=name, url="http://h", workers=1, version="0")
            for name in self.hosts
        }
        observed = {host: Observed(host=host, assignment=1, apps=(said,)) for host, said in self.said.items()}
        following = successor(before, Situation({"shop": self.app}, records, (), observed, self.now))
        self.assignment = following
        for one in self.versions if len(self.versions) > 1 else ():
            right = [host for host in one.answering if self.running.get(host) == one.digest]
            assert len(right) == len(one.answering) or not self.ready()
            assert one.answering or not one.share or not any(self.running.values())
        return following is not before

    def carry_out(self, host: str) -> bool:
        """Let a host do what it was told; False when it has."""
        before = self.said.get(host)
        placed = self.assignment.on(host)
        if not placed:
            self.running.pop(host, None)
            return self.said.pop(host, None) is not None
        (one,) = placed
        good = (one.digest, host) not in self.bad
        if good:
            self.running[host] = one.digest
        state: State = "running" if good else "failed"
        self.said[host] = ObservedApp(
            app="shop", revision=one.revision, state=state, running=self.running.get(host)
        )
        return self.said[host] != before

    def lose(self, host: str) -> None:
        self.hosts.discard(host)
        self.running.pop(host, None)
        self.said.pop(host, None)

    def settle(self) -> None:
        """Let everybody do what there is to do, until nobody has anything to do."""
        quiet = 0
        for _ in range(FAIR):
            self.now += 1_000
            busy = [self.plan(), *(self.carry_out(host) for host in sorted(self.hosts))]
            quiet = 0 if any(busy) else quiet + 1
            if quiet == QUIET:
                return
        message = f"it does not end: {self.assignment}"
        raise AssertionError(message)

    def want(self, digest: str, **strategy: object) -> None:
        kept = {**self.app.strategy.model_dump(), "canary": None, **strategy}
        self.app = self.app.model_copy(
            update={
                "digest": digest,
                "revision": self.app.revision + 1,
                "strategy": Strategy.model_validate(kept),
            }
        )

    @property
    def versions(self) -> tuple[Placed, ...]:
        return self.assignment.versions("shop")

    def at(self) -> dict[str, str]:
        return {host: one.digest for one in self.versions for host in one.hosts}

    def ready(self) -> int:
        """How many hosts answer with the version that they are to run."""
        return sum(self.running.get(host) == digest for host, digest in self.at().items())

    def check_shares(self) -> None:
        assert sum(one.share for one in self.versions) == 100
        assert all(one.hosts for one in self.versions if one.share)
        assert sum(one.jobs for one in self.versions) == 1


def world(replicas: int, hosts: int, **strategy: object) -> World:
    """Return a world in which the old version runs everywhere where it is wanted."""
    app = App(
        name="shop",
        revision=1,
        digest=OLD,
        version="1",
        wishes=Wishes(replicas=replicas),
        since=0,
        strategy=Strategy.model_validate(strategy),
    )
    made = World(app, set(NAMES[:hosts]))
    made.settle()
    assert made.ready() == min(replicas, hosts)
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    hosts = draw(st.integers(1, len(NAMES)))
    return world(
        draw(st.integers(1, hosts)),
        hosts,
        surge=draw(st.integers(0, 2)),
        max_unavailable=draw(st.integers(0, 2)),
        observe_ms=draw(st.sampled_from([0, 2_500])),
    )


events = st.lists(st.sampled_from(["plan", "time", *NAMES]), max_size=60)


def happen(made: World, event: str) -> None:
    if event == "plan":
        made.plan()
    elif event == "time":
        made.now += 1_000
    elif event in made.hosts:
        made.carry_out(event)


@settings(max_examples=100)
@given(worlds(), events)
def test_enough_hosts_are_ready_at_every_step_and_never_too_many(made: World, happening: list[str]) -> None:
    strategy, wanted = made.app.strategy, len(made.at())
    spare = len(made.hosts) > wanted and strategy.surge
    unavailable = strategy.max_unavailable or (0 if spare else 1)
    made.want(NEW)

    for event in happening:
        happen(made, event)
        made.check_shares()
        assert made.ready() >= wanted - unavailable
        assert len(made.at()) <= wanted + strategy.surge
        assert len(made.running) >= wanted  # those that change answer meanwhile, too
    made.settle()

    assert set(made.at().values()) == {NEW}
    assert len(made.at()) == made.ready() == wanted
    assert [one.proven for one in made.versions] == [True]


@settings(max_examples=60)
@given(worlds(), events, st.booleans())
def test_it_ends_the_same_way_whoever_makes_the_steps(
    made: World, happening: list[str], canary: bool
) -> None:
    made.want(NEW, canary=20 if canary else None)
    other = World(
        made.app,
        set(made.hosts),
        restarts=True,
        assignment=made.assignment,
        running=dict(made.running),
        said=dict(made.said),
        now=made.now,
    )

    for one in (made, other):
        for event in happening:
            happen(one, event)
        one.settle()

    assert made.assignment.apps == other.assignment.apps


@settings(max_examples=60)
@given(worlds(), events)
def test_a_version_that_never_becomes_ready_stays_on_one_host_and_the_old_one_answers(
    made: World, happening: list[str]
) -> None:
    wanted = len(made.at())
    made.bad = frozenset((NEW, host) for host in NAMES)
    made.want(NEW)

    for event in happening:
        happen(made, event)
        assert len([digest for digest in made.at().values() if digest == NEW]) <= 1
        assert list(made.running.values()).count(OLD) >= wanted
    made.settle()

    assert {one.digest: one.share for one in made.versions} == {NEW: 0, OLD: 100} or wanted == 1
    assert set(made.running.values()) == {OLD}

    made.want(OLD)
    made.settle()
    assert list(made.at().values()) == [OLD] * wanted


@settings(max_examples=60)
@given(worlds(), st.integers(1, 99), events)
def test_a_canary_gets_its_share_until_it_is_promoted(made: World, share: int, happening: list[str]) -> None:
    wanted, alone = len(made.at()), len(made.hosts) == 1
    possible = wanted > 1 or (not alone and made.app.strategy.surge > 0)
    made.want(NEW, canary=share)

    for event in happening:
        happen(made, event)
        made.check_shares()
        assert OLD in made.at().values()
    made.settle()

    shares = {one.digest: one.share for one in made.versions}
    assert shares == ({NEW: share, OLD: 100 - share} if possible else {NEW: 0, OLD: 100})
    reasons = [one.reason for one in made.assignment.missing]
    assert [reason for reason in reasons if "a canary needs a second host" in reason] == reasons
    assert len(reasons) == (0 if possible else 1)

    made.want(NEW)
    made.settle()
    assert list(made.at().values()) == [NEW] * wanted


@settings(max_examples=100)
@given(
    worlds(),
    st.lists(
        st.sampled_from(["plan", "plan", "time", "lose", "come", "old", "new", "next", *NAMES]), max_size=80
    ),
)
def test_whatever_comes_between_no_step_takes_away_who_answers_and_it_ends(
    made: World, happening: list[str]
) -> None:
    replicas = int(made.app.wishes.replicas)
    for number, event in enumerate(happening):
        if event == "lose" and len(made.hosts) > 1:
            made.lose(sorted(made.hosts)[number % len(made.hosts)])
        elif event == "come":
            made.hosts.add(NAMES[number % len(NAMES)])
        elif event in {"old", "new", "next"}:
            made.want({"old": OLD, "new": NEW, "next": NEXT}[event])
        elif event == "plan":
            answering = len(made.running)
            made.plan()
            told = {host for one in made.versions for host in one.everywhere}
            assert len(told & made.running.keys()) >= min(answering, replicas, len(made.hosts))
            made.check_shares()
        else:
            happen(made, event)
    made.settle()

    assert list(made.at().values()) == [made.app.digest] * min(replicas, len(made.hosts))


def test_a_host_that_has_not_changed_yet_when_the_old_version_is_wanted_again_goes_on_with_it() -> None:
    made = world(1, 1)
    made.want(NEW)
    made.plan()
    made.hosts.add("b")
    made.want(OLD)

    made.plan()

    assert [(one.digest, one.answering, one.share) for one in made.versions] == [(OLD, ("a",), 100)]


def test_a_host_that_answers_with_a_version_that_nobody_wants_any_more_is_asked_until_others_answer() -> None:
    made = world(1, 1)
    made.want(NEW)
    made.plan()
    made.hosts.add("b")
    made.want(NEXT)

    made.plan()

    assert [(one.digest, one.answering, one.share) for one in made.versions] == [
        (NEXT, ("b",), 0),
        (NEW, ("a",), 100),
    ]


def test_the_new_version_starts_beside_the_old_one_and_takes_over_where_it_answers() -> None:
    made = world(2, 3, observe_ms=0)
    first, second = made.at()
    (spare,) = set("abc") - {first, second}
    made.want(NEW)

    seen = []
    while made.plan():
        seen.append({one.digest[7]: (one.hosts, one.share) for one in made.versions})
        for host in made.hosts:
            made.carry_out(host)

    assert seen == [
        {"2": ((spare,), 0), "1": ((first, second), 100)},
        {"2": ((second, spare), 50), "1": ((first,), 50)},
        {"2": ((first, second, spare), 100)},
        {"2": ((first, second), 100)},
    ]
    assert made.at() == {first: NEW, second: NEW}


def test_jobs_stay_with_the_old_version_until_its_last_host_changes() -> None:
    made = world(3, 3, observe_ms=0)
    with_jobs = next(iter(made.at()))
    made.want(NEW)

    owners = []
    while made.plan():
        owners.append([host for one in made.versions for host in one.hosts if one.runs_jobs(host)])
        for host in made.hosts:
            made.carry_out(host)

    assert owners[:-2] == [[with_jobs]] * (len(owners) - 2)
    assert all(len(one) == 1 for one in owners)


def test_the_first_host_is_observed_before_the_others_follow() -> None:
    made = world(3, 3, observe_ms=5_000)
    made.want(NEW)
    made.plan()
    (changed,) = (host for host, digest in made.at().items() if digest == NEW)
    made.carry_out(changed)
    made.plan()
    since = made.now

    made.now = since + 4_999
    assert not made.plan()
    made.now = since + 5_000
    assert made.plan()
    assert list(made.at().values()).count(NEW) == 2


def test_an_earlier_version_is_gone_back_to_without_being_observed() -> None:
    made = world(3, 3, observe_ms=600_000)
    made.want(NEW)
    made.app = made.app.model_copy(update={"hurry": True})
    began = made.now

    while made.plan():
        for host in made.hosts:
            made.carry_out(host)

    assert (made.now, set(made.at().values())) == (began, {NEW})


def test_a_version_that_does_worse_gets_no_request_any_more_as_soon_as_the_old_one_is_wanted_again() -> None:
    made = world(2, 3)
    made.want(NEW, canary=50)
    made.settle()

    made.want(OLD)
    made.plan()

    assert {one.digest: one.share for one in made.versions}[OLD] == 100


def test_a_host_changes_only_when_enough_others_answer_though_a_host_that_helped_was_lost() -> None:
    made = world(2, 4, surge=2, observe_ms=0)
    first, second = made.at()
    made.want(NEW)
    made.plan()
    (helper,) = (host for host, digest in made.at().items() if digest == NEW)
    made.carry_out(helper)
    made.plan()
    made.carry_out(second)

    made.lose(helper)
    while made.plan():
        pass

    assert made.at()[first] == OLD
    assert made.ready() == 2


def test_where_a_version_fails_on_a_later_host_it_goes_no_further() -> None:
    made = world(5, 6, max_unavailable=1, observe_ms=0)
    made.bad = frozenset({(NEW, list(made.at())[1])})
    made.want(NEW)

    made.settle()

    assert list(made.at().values()).count(OLD) == 3
    assert list(made.running.values()).count(NEW) == 2


def test_a_version_that_follows_one_that_does_not_run_is_not_observed() -> None:
    made = world(3, 3, observe_ms=600_000)
    made.bad = frozenset((OLD, host) for host in NAMES)
    made.running.clear()
    for host in made.hosts:
        made.carry_out(host)
    assert made.ready() == 0
    made.want(NEW)
    made.settle()

    assert list(made.at().values()) == [NEW] * 3
