"""What looks at the invariants finds what it is there to find."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import PATIENCE
from tests.e2e.faults.traffic import Failure, Kind, Traffic

if TYPE_CHECKING:
    from tests.e2e.faults.cluster import Cluster
    from tests.e2e.faults.ledger import Ledger


def nobody(*runners: str) -> Traffic:
    """Return traffic that asks nobody; an app runs on these hosts."""
    return Traffic({}, {}, lambda: runners)


def fails(traffic: Traffic, kind: Kind, host: str) -> bool:
    """Let a request fail now; whether that breaks what must hold."""
    now = time.monotonic()
    before = len(traffic.broken())
    traffic.failures.append(Failure(kind, host, now, now, (503, b"")))
    return len(traffic.broken()) > before


def test_a_host_to_which_something_happens_may_fail_until_it_is_well_and_no_other_may() -> None:
    traffic = nobody("h1", "h2")

    assert fails(traffic, "here", "h1")
    well = traffic.excuse("h1")
    assert [fails(traffic, kind, "h1") for kind in ("here", "onward", "write")] == [False] * 3
    assert [fails(traffic, kind, "h2") for kind in ("here", "onward", "write")] == [True] * 3
    well()
    assert fails(traffic, "here", "h1")


def test_a_host_that_is_cut_off_answers_for_what_it_runs_and_for_nothing_else() -> None:
    traffic = nobody("h2", "h3")
    traffic.part("h1")

    assert [fails(traffic, kind, "h1") for kind in ("here", "onward", "write")] == [True, False, True]
    assert fails(traffic, "onward", "h2")


def test_an_app_whose_hosts_are_all_lost_may_be_away_everywhere_for_a_while() -> None:
    traffic = nobody("h1", "h2")

    traffic.part("h1")
    assert fails(traffic, "onward", "h3")
    traffic.excuse("h2")
    assert not fails(traffic, "onward", "h3")
    assert fails(traffic, "here", "h3")


def take_away(ledger: Ledger) -> None:
    """Remove what clients have written, and have them believe that a message was acknowledged."""
    for key in (ledger.page.words, ledger.page.counter):
        assert ledger.ask("h1", f"keyvalue/delete?key={key}", b"")[0] == 200
    ledger.page.sent.append("nobody.took")


@pytest.mark.timeout(400)
def test_an_acknowledged_write_that_is_lost_and_a_message_that_nobody_took_are_noticed(
    cluster: Cluster,
) -> None:
    ledger = cluster.ledger

    with pytest.raises(AssertionError) as raised, cluster.traffic():
        take_away(ledger)

    assert "was acknowledged, and is lost" in str(raised.value)
    assert "increments were acknowledged" in str(raised.value)
    assert "nobody.took" in ledger.untaken("h1", 0)
    ledger.lost()


@pytest.mark.timeout(400)
def test_a_message_that_was_seen_to_be_taken_before_its_client_had_ended_is_not_waited_for(
    cluster: Cluster,
) -> None:
    ledger = cluster.ledger

    with cluster.traffic():
        ledger.until_written(["h1"], PATIENCE)
        ledger.expect(ledger.page.sent[:1])
        cluster.until_taken()

    cluster.until_taken()
    ledger.expect(ledger.page.sent)  # when nothing more is written
    cluster.until_taken()
