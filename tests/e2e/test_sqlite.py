"""SQL databases as guests use them."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import sharing
from tests.e2e.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.host import Host

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

ONE = {"grants": {"sqlite": ["shop", "own"]}}
TWO = {"grants": {"sqlite": ["shop"]}, "limits": {"store": "256KiB", "timeout": "1s"}}
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
def host(tmp_path: Path, cache: Path) -> Iterator[Host]:
    """Serve an app of two components that share a database, and one that has none."""
    with sharing.app(tmp_path, cache, one=ONE, two=TWO) as host:
        run(host, ["CREATE TABLE t (a)"])
        yield host


def use(host: Host, verb: str, *steps: list[Any], by: str = "one", query: str = "") -> tuple[int, str]:
    """Run statements, each with its parameters."""
    answer = ask(host.address, "POST", f"/{by}/sqlite/{verb}?{query}", body=json.dumps(steps).encode())
    return answer.status, answer.text


def run(host: Host, *steps: list[Any], by: str = "one", query: str = "") -> list[Any]:
    status, text = use(host, "run", *steps, by=by, query=query)
    assert status == 200, text
    answers: list[Any] = json.loads(text)
    return answers


def count(host: Host) -> int:
    number: int = run(host, ["SELECT count(*) FROM t"])[0]["rows"][0][0]
    return number


def test_values_go_in_as_parameters_and_come_out_with_the_names_of_their_columns(host: Host) -> None:
    odd = "'); DROP TABLE t; --"

    inserted, found = run(
        host,
        ["INSERT INTO t VALUES (?), (?), (?), (?), (?)", None, 7, 0.5, odd, [0, 255]],
        ["SELECT rowid AS id, a FROM t ORDER BY id"],
    )

    assert inserted == [5, 5]
    assert found == {"columns": ["id", "a"], "rows": [[1, None], [2, 7], [3, 0.5], [4, odd], [5, [0, 255]]]}
    assert run(host, ["SELECT count(*) FROM t"], by="two")[0]["rows"] == [[5]]


def test_a_database_that_is_not_granted_is_denied_and_the_log_says_what_would_grant_it(host: Host) -> None:
    for by, name in (("stranger", "shop"), ("two", "own"), ("one", "../shop")):
        assert use(host, "run", by=by, query=f"name={name}") == (500, "access-denied")
        line = host.line(kind="denial", component=by)
        assert (line["import"], line["grant"]) == ("wisp:sqlite/sqlite", f'sqlite = ["{name}"]')


def test_what_is_wrong_has_a_case_of_its_own(host: Host) -> None:
    run(host, ["CREATE TABLE u (a UNIQUE)"], ["INSERT INTO u VALUES (1)"])

    assert use(host, "run", ["SELEC"]) == (500, 'invalid: 1 near "SELEC": syntax error')
    taken = (500, "constraint: 2067 UNIQUE constraint failed: u.a")
    assert use(host, "run", ["INSERT INTO u VALUES (1)"]) == taken
    two = (500, "refused: it is more than one statement")
    assert use(host, "run", ["SELECT 1; DROP TABLE t"]) == two
    attach = (500, "refused: no other database may be attached, and VACUUM would do that")
    assert use(host, "run", ["ATTACH '/tmp/x' AS x"]) == attach
    folder = (500, "refused: PRAGMA temp_store_directory may not be set")
    assert use(host, "run", ["PRAGMA temp_store_directory = '/tmp'"]) == folder
    before = host.counted("two", "store_exceeded")
    assert use(host, "run", ["INSERT INTO t VALUES (zeroblob(500000))"], by="two") == (500, "full")
    assert host.counted("two", "store_exceeded") == before + 1
    # The guest has one open already.
    assert use(host, "open-many", query="count=31") == (200, "31")
    many = (500, "other: 32 connections are open, as many as may be")
    assert use(host, "open-many", query="count=32") == many


def test_a_transaction_is_kept_when_committed_and_gone_otherwise_whatever_ends_it(host: Host) -> None:
    insert = ["INSERT INTO t VALUES (1)"]
    rows = '[{"columns":["count(*)"],"rows":[[%d]]}]'

    assert use(host, "transaction", insert, query="end=commit") == (200, rows % 1)
    assert use(host, "transaction", insert, query="end=rollback") == (200, rows % 1)
    assert use(host, "transaction", insert, query="end=drop") == (200, rows % 1)
    assert use(host, "trap", insert)[0] == 502
    assert run(host, insert) == [[1, 2]], "the one that trapped holds nothing up"
    assert count(host) == 2


def test_a_statement_that_never_ends_ends_with_its_request_while_others_are_served(host: Host) -> None:
    answers: list[int] = []
    hog = threading.Thread(target=lambda: answers.append(use(host, "run", [ENDLESS], by="two")[0]))
    hog.start()
    served = 0
    while hog.is_alive():
        run(host, ["INSERT INTO t VALUES (1)"])
        served += 1
    hog.join()

    assert answers == [504]
    assert served > 0
    assert use(host, "run", [ENDLESS]) == (500, "timed-out")


def test_what_was_committed_is_there_after_kill_9(host: Host) -> None:
    committed = 0
    for number in range(40):
        status, _ = use(
            host,
            "transaction",
            ["INSERT INTO t VALUES (1)"],
            ["INSERT INTO t VALUES (2)"],
            query="end=commit",
        )
        committed += status == 200
        if number == 20:
            for pid in host.pids():
                os.kill(pid, signal.SIGKILL)
            host.event("worker-restarted")

    # Where the answer was lost, both rows are there or none.
    assert count(host) in range(2 * committed, 2 * 40 + 1, 2)
    assert committed > 20
