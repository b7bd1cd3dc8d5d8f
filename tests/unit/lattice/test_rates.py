"""How busy hosts and apps are, from what was counted at two moments."""

from __future__ import annotations

from wisp.lattice.commands import rates, samples
from wisp.lattice.commands.samples import Counted, Sample


def sample(host: str, clock: float, *apps: Counted) -> dict[str, Sample]:
    return {host: Sample(host=host, clock=clock, memory=2**20, workers=1, apps=apps)}


def counted(app: str = "shop", requests: int = 0, errors: int = 0, duration_us: int = 0) -> Counted:
    return Counted(app=app, requests=requests, errors=errors, duration_us=duration_us, active=1, refusals=3)


def test_rates_are_what_was_counted_between_two_samples_in_a_second() -> None:
    before = sample("a", 10.0, counted(requests=100, errors=1, duration_us=50_000))
    after = sample("a", 12.0, counted(requests=300, errors=5, duration_us=450_000))

    [host] = rates.by_host(before, after)
    [app] = rates.by_app(before, after)

    assert (host.name, host.requests, host.errors, host.latency_ms) == ("a", 100.0, 2.0, 2.0)
    assert (host.memory, host.active, host.refusals) == (2**20, 1, 3)
    assert (app.name, app.requests, app.hosts, app.memory) == ("shop", 100.0, 1, None)


def test_an_app_is_summed_over_its_hosts_and_a_host_over_its_apps() -> None:
    before = {**sample("a", 0.0, counted("x"), counted("y")), **sample("b", 5.0, counted("x"))}
    after = {
        **sample("a", 1.0, counted("x", 10), counted("y", 30)),
        **sample("b", 7.0, counted("x", 40)),
    }

    hosts = {rate.name: rate.requests for rate in rates.by_host(before, after)}
    apps = {rate.name: (rate.requests, rate.hosts) for rate in rates.by_app(before, after)}

    assert hosts == {"a": 40.0, "b": 20.0}
    assert apps == {"x": (30.0, 2), "y": (30.0, 1)}


def test_where_workers_were_replaced_counting_begins_anew() -> None:
    before = sample("a", 0.0, counted(requests=1000, errors=10, duration_us=9_000_000))
    after = sample("a", 1.0, counted(requests=5, errors=1, duration_us=5_000))

    [app] = rates.by_app(before, after)

    assert (app.requests, app.errors, app.latency_ms) == (5.0, 1.0, 1.0)


def test_a_host_that_was_not_there_before_has_no_rates_yet() -> None:
    [host] = rates.by_host({}, sample("a", 1.0, counted(requests=5)))

    assert (host.requests, host.latency_ms, host.active) == (0.0, None, 1)


def test_what_a_host_answers_is_by_app_however_many_components_there_are() -> None:
    component = {"requests": 2, "active": 1, "duration_us": 10, "aborted": 1, "responses": {"5xx": 2}}
    metrics = {
        "workers": 2,
        "components": [{"app": "shop", "component": name, **component} for name in ("web", "api")],
        "denied": [{"app": "shop", "component": "web", "count": 4}],
    }

    found = Sample.model_validate_json(samples.sample("a", 1.5, 7, metrics))

    assert (found.host, found.clock, found.memory, found.workers) == ("a", 1.5, 7, 2)
    assert found.apps == (Counted(app="shop", requests=4, active=2, errors=6, duration_us=20, refusals=4),)
