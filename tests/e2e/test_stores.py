"""Key-value stores as guests use them: what they keep, who may open them, and what is there after the worst end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e import sharing
from tests.e2e.host import PATIENCE, Host
from tests.e2e.wire import Address, Answer, Connection, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

NOTHING = (500, "nothing")
ONE = {"grants": {"keyvalue": ["default", "small"]}, "limits": {"store": "256KiB"}}
TWO = {"grants": {"keyvalue": ["default"]}, "limits": {"store": "1GiB", "body": "20MiB"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Host]:
    """Serve an app of two components that share a store, and one that has none."""
    with app(tmp_path_factory.mktemp("stores"), cache) as host:
        yield host


def app(folder: Path, cache: Path, *words: str) -> Host:
    return sharing.app(folder, cache, *words, one=ONE, two=TWO)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def use(host: Host, verb: str, query: str, body: bytes | None = None, *, by: str = "one") -> tuple[int, str]:
    """Call a verb of the guest; each call is a connection of its own, so that both workers answer."""
    return said(ask(host.address, "POST", f"/{by}/keyvalue/{verb}?{query}", body=body))


def test_what_is_set_is_read_by_every_instance_of_every_worker(shared: Host) -> None:
    assert use(shared, "get", "key=a") == NOTHING
    assert use(shared, "set", "key=a", b"first") == (200, "done")
    assert {use(shared, "get", "key=a") for _ in range(10)} == {(200, "first")}
    assert use(shared, "exists", "key=a") == (200, "true")
    assert use(shared, "set", "key=a", b"") == (200, "done")
    assert {use(shared, "get", "key=a") for _ in range(10)} == {(200, "")}
    assert use(shared, "delete", "key=a") == (200, "done")
    assert use(shared, "delete", "key=a") == (200, "done")
    assert use(shared, "exists", "key=a") == (200, "false")


def test_components_share_a_store_that_both_are_granted_and_the_third_may_not_open_it(shared: Host) -> None:
    use(shared, "set", "key=shared", b"of one")

    assert use(shared, "get", "key=shared", by="two") == (200, "of one")
    assert use(shared, "get", "key=shared&store=small") == NOTHING
    assert use(shared, "get", "key=shared", by="stranger") == (500, "access-denied")
    line = shared.line(kind="denial", component="stranger")
    message = (
        "stranger may not use wasi:keyvalue/store for default; "
        'add `keyvalue = ["default"]` to [component.stranger.grants] to allow it'
    )
    assert (line["import"], line["target"]) == ("wasi:keyvalue/store", "default")
    assert line["grant"] == 'keyvalue = ["default"]'
    assert line["message"] == message


def test_a_name_that_no_manifest_could_have_is_a_denial_like_another(shared: Host) -> None:
    assert use(shared, "get", "key=a&store=../../x") == (500, "access-denied")
    assert shared.line(kind="denial", target="../../x")["grant"] == 'keyvalue = ["../../x"]'


def test_keys_are_listed_in_pages_and_by_prefix(shared: Host) -> None:
    keys = [f"user.{number:04}" for number in range(1500)]
    for start in range(0, 1500, 500):
        use(shared, "set-many", f"keys={','.join(keys[start : start + 500])}", b"x", by="two")
    use(shared, "set", "key=usher", b"x")

    first = ask(shared.address, "GET", "/two/keyvalue/prefix?prefix=user.&limit=5000").json
    second = ask(
        shared.address, "GET", f"/two/keyvalue/prefix?prefix=user.&limit=5000&cursor={first['cursor']}"
    ).json
    few = ask(shared.address, "GET", "/two/keyvalue/prefix?prefix=user.12&limit=2").json
    page = ask(shared.address, "GET", "/two/keyvalue/list").json
    for start in range(0, 1500, 500):
        use(shared, "delete-many", f"keys={','.join(keys[start : start + 500])}", by="two")

    assert (len(first["keys"]), first["keys"] + second["keys"]) == (1000, keys)
    assert second["cursor"] is None
    assert few == {"keys": ["user.1200", "user.1201"], "cursor": "user.1201"}
    assert len(page["keys"]) == 1000
    assert ask(shared.address, "GET", "/two/keyvalue/prefix?prefix=user.").json == {
        "keys": [],
        "cursor": None,
    }


def test_a_batch_says_of_each_key_what_there_is(shared: Host) -> None:
    use(shared, "set-many", "keys=m1,m2", b"both")

    assert use(shared, "get-many", "keys=m1,none,m2") == (200, '[["m1","both"],["none",null],["m2","both"]]')
    many = ",".join(map(str, range(1001)))
    too_many = (500, "other: a batch has at most 1000 keys, this one has 1001")
    assert use(shared, "get-many", f"keys={many}") == too_many
    assert use(shared, "set-many", f"keys={many}", b"x") == too_many


def test_numbers_are_counted_and_other_values_are_not(shared: Host) -> None:
    assert use(shared, "increment", "key=n") == (200, "1")
    assert use(shared, "increment", "key=n&delta=-5") == (200, "-4")
    assert use(shared, "get", "key=n") == (200, "-4")
    use(shared, "set", "key=n", b"nine")
    assert use(shared, "increment", "key=n") == (500, "other: the value is not a decimal number of 64 bits")
    use(shared, "set", "key=n", b"9223372036854775807")
    assert use(shared, "increment", "key=n") == (500, "other: the sum has more than 64 bits")


def test_a_swap_of_what_has_changed_fails_and_its_new_handle_does_not(shared: Host) -> None:
    assert use(shared, "stale", "key=swapped", b"mine") == (200, "of somebody else")
    assert use(shared, "get", "key=swapped") == (200, "mine")


def test_swaps_at_the_same_time_lose_nothing(shared: Host) -> None:
    threads = [
        threading.Thread(target=use, args=(shared, "cas", "key=letters", letter.encode()))
        for letter in "abcdefghijkl"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    status, letters = use(shared, "get", "key=letters")
    assert (status, sorted(letters)) == (200, list("abcdefghijkl"))


def test_a_version_changes_with_every_write_and_is_compared(shared: Host) -> None:
    assert use(shared, "compare", "key=v&version=7", b"x") == (500, "changed: gone")
    status, version = use(shared, "compare", "key=v", b"first")
    assert status == 200
    assert use(shared, "compare", "key=v", b"second") == (500, f"changed: {version}")
    entry = ask(shared.address, "GET", "/one/keyvalue/entry?key=v").json
    assert entry == {"value": "first", "version": version, "time-left": None}
    status, next_version = use(shared, "compare", f"key=v&version={version}&ms=100000", b"second")
    assert (status, next_version != version) == (200, True)
    entry = ask(shared.address, "GET", "/one/keyvalue/entry?key=v").json
    assert (entry["value"], entry["version"]) == ("second", next_version)
    assert 0 < entry["time-left"] <= 100_000


def test_a_value_with_a_lifetime_is_gone_after_it_and_a_plain_one_stays(shared: Host) -> None:
    use(shared, "set-for", "key=short&ms=300", b"1")
    use(shared, "set-for", "key=renewed&ms=300", b"1")
    use(shared, "set", "key=renewed", b"2")
    # The number that is counted keeps the time that its key has.
    assert use(shared, "increment", "key=short") in {(200, "2"), (200, "1")}

    end = time.monotonic() + PATIENCE
    while use(shared, "get", "key=short") != NOTHING:
        assert time.monotonic() < end, "it is still there"

    assert use(shared, "exists", "key=short") == (200, "false")
    assert use(shared, "get", "key=renewed") == (200, "2")
    assert use(shared, "set-for", "key=short&ms=0", b"1") == (
        500,
        "other: a value stays for at least 1 millisecond",
    )


def test_keys_and_values_have_bounds_that_are_said(shared: Host) -> None:
    longest = "k" * 1024
    assert use(shared, "set", f"key={longest}", b"x") == (200, "done")
    assert use(shared, "set", f"key={longest}k", b"x") == (
        500,
        "other: a key has 1 to 1024 bytes, this one has 1025",
    )
    assert use(shared, "get", "key=") == (500, "other: a key has 1 to 1024 bytes, this one has 0")
    assert use(shared, "set", "key=large", b"x" * (8 << 20), by="two") == (200, "done")
    assert use(shared, "set", "key=large", b"x" * ((8 << 20) + 1), by="two") == (
        500,
        "other: a value has at most 8388608 bytes, this one has 8388609",
    )
    assert use(shared, "delete", "key=large", by="two") == (200, "done")


def test_a_guest_that_opens_stores_without_end_fails_alone(shared: Host) -> None:
    assert use(shared, "open-many", "count=5000", by="two") == (200, "5000")
    status, _ = use(shared, "open-many", "count=20000", by="two")

    assert status == 502
    assert use(shared, "open-many", "count=1") == (200, "1")


def test_a_store_that_is_full_refuses_while_a_neighbour_is_served(shared: Host) -> None:
    room = "other: there is no room: a store may have 262144 bytes on disk (limits.store)"
    before = [shared.counted(component, "store_exceeded") for component in ("one", "two")]
    answers = [use(shared, "set", f"store=small&key={number}", b"x" * 50_000) for number in range(8)]
    counted = [shared.counted(component, "store_exceeded") for component in ("one", "two")]

    assert answers[0] == (200, "done")
    assert answers[-1] == (500, room)
    assert counted == [before[0] + answers.count((500, room)), before[1]]
    assert "`limits.store`" in shared.line(kind="worker", component="one", level="warning")["message"]
    assert use(shared, "get", "store=small&key=0") == (200, "x" * 50_000)
    assert use(shared, "set", "key=neighbour", b"x" * 50_000, by="two") == (200, "done")
    assert use(shared, "delete", "store=small&key=0") == (200, "done")
    assert use(shared, "set", "store=small&key=0", b"x" * 50_000) == (200, "done")


def test_a_store_that_cannot_be_used_is_a_matter_of_the_log_alone(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / ".wisp" / "state" / "keyvalue"
    folder.mkdir(parents=True)
    (folder / "default.db").write_text("this was never a database" * 100, encoding="utf-8")

    with app(tmp_path, cache) as host:
        answer = use(host, "set", "key=a", b"x")
        line = host.line(kind="worker", component="one", level="error")

        assert answer == (500, "other: the store cannot be used; the log of the host says why")
        assert use(host, "get", "store=small&key=a") == NOTHING
    path = os.path.realpath(folder / "default.db")
    assert line["message"] == f"the key-value store `default`: {path}: file is not a database"


class Counters:
    """Clients that count all the time; each keeps what it was told."""

    def __init__(self, address: Address, clients: int) -> None:
        self._address = address
        self._changed = threading.Condition()
        self._over = False
        self.sums: list[int] = []
        """Every number that somebody was told."""
        self.unanswered = 0
        self.threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def more(self, count: int) -> None:
        """Wait until so many more were told."""
        with self._changed:
            goal = len(self.sums) + count
            assert self._changed.wait_for(lambda: len(self.sums) >= goal, PATIENCE)

    def end(self) -> None:
        self._over = True
        for thread in self.threads:
            thread.join()

    def _client(self) -> None:
        while not self._over:
            try:
                with Connection(self._address) as connection:
                    while not self._over:
                        self._count(connection)
            except (OSError, EOFError):
                pass

    def _count(self, connection: Connection) -> None:
        answered = False
        try:
            answer = connection.ask("POST", "/one/keyvalue/increment?key=counted", body=b"")
            answered = answer.status == 200
        finally:
            with self._changed:
                if answered:
                    self.sums.append(int(answer.text))
                else:
                    self.unanswered += 1
                self._changed.notify_all()


def test_every_increment_that_was_answered_is_there_after_kill_9(tmp_path: Path, cache: Path) -> None:
    with app(tmp_path, cache, "--no-access-log") as host:
        counters = Counters(host.address, 8)
        counters.more(200)
        os.kill(host.pids()[0], signal.SIGKILL)
        host.event("worker-restarted")
        counters.more(200)
        for process in (host.process.pid, *host.pids()):
            os.kill(process, signal.SIGKILL)
        host.process.wait(PATIENCE)
        counters.end()

    with app(tmp_path, cache) as host:
        status, text = use(host, "get", "key=counted")

    assert status == 200
    # What was not answered may have been counted or not.
    assert len(counters.sums) <= int(text) <= len(counters.sums) + counters.unanswered
    assert len(counters.sums) == len(set(counters.sums)), "two were told the same number"
    assert max(counters.sums) <= int(text)
