"""How long an instance lives, and who shares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.wire import Connection, get

if TYPE_CHECKING:
    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host
    from tests.guests.build import Name

HTTP: tuple[Name, ...] = ("http2", "http3")
MANY = 200


def counts(connection: Connection, count: int) -> list[int]:
    """Ask the guest so often how many requests its instance has answered."""
    return [int(connection.ask("GET", "/counter").text) for _ in range(count)]


@pytest.mark.parametrize("guest", HTTP)
def test_every_request_gets_a_fresh_instance(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest)

    with Connection(host.address) as connection:
        assert counts(connection, 5) == [1] * 5


@pytest.mark.parametrize("guest", HTTP)
def test_an_instance_is_reused_as_often_as_the_manifest_allows(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest, instances={"reuse": 3})

    with Connection(host.address) as connection:
        assert counts(connection, 7) == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("guest", HTTP)
def test_an_instance_that_nobody_uses_is_dropped(serve: Serve, both: Host, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest, instances={"reuse": 1_000_000, "idle": "1ms"})

    with Connection(host.address) as connection:
        first = counts(connection, 1)
        for _ in range(MANY):
            get(both.address, "/two/slow?ms=50")  # somebody else's request takes longer than that
            if (again := counts(connection, 1)) == first:
                break

    assert again == first == [1]


@pytest.mark.parametrize("guest", HTTP)
def test_an_instance_that_trapped_is_not_used_again(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest, instances={"reuse": 100})

    with Connection(host.address) as connection:
        before = counts(connection, 2)
        trapped = connection.ask("GET", "/trap").status
        after = counts(connection, 2)

    assert (before, trapped, after) == ([1, 2], 502, [1, 2])


def test_an_instance_of_0_2_serves_one_request_at_a_time(serve: Serve) -> None:
    host = serve("--workers", "1", instances={"reuse": 100, "concurrency": 16})

    with Connection(host.address) as busy, Connection(host.address) as connection:
        before = counts(connection, 2)
        busy.begin("GET", "/sse?events=2&pause=25000")
        busy.head()
        meanwhile = counts(connection, 2)

    assert (before, meanwhile) == ([1, 2], [1, 2])


@pytest.mark.parametrize(("concurrency", "expected"), [(2, [3, 4]), (1, [1, 2])])
def test_an_instance_of_0_3_serves_as_many_requests_at_once_as_the_manifest_allows(
    serve: Serve, concurrency: int, expected: list[int]
) -> None:
    instances = {"reuse": 100, "concurrency": concurrency}
    host = serve("--workers", "1", guest="http3", instances=instances)

    with Connection(host.address) as busy, Connection(host.address) as connection:
        before = counts(connection, 2)
        busy.begin("GET", "/slow?ms=25000")
        host.until_active(1)
        meanwhile = counts(connection, 2)

    assert (before, meanwhile) == ([1, 2], expected)


def test_an_instance_that_is_dropped_ends_no_request_of_another(serve: Serve) -> None:
    host = serve(
        "--workers",
        "1",
        guest="http3",
        limits={"timeout": "500ms"},
        instances={"reuse": 100, "concurrency": 1},
    )

    with Connection(host.address) as busy, Connection(host.address) as connection:
        busy.begin("GET", "/spin")
        host.until_active(1)
        slept = connection.ask("GET", "/slow?ms=50").text
        timed_out = busy.answer().status
    after = get(host.address, "/hello").status

    assert (slept, timed_out, after) == ("slept", 504, 200)
