"""Messages of a lattice: who gets them, how often, in which order, and what becomes of those that nobody can take."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import sharing
from tests.e2e.host import PATIENCE
from tests.e2e.lattice import Lattice
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The first run builds the guests, and compiles them.
pytestmark = pytest.mark.timeout(900)

QUICK = 'backoff = "50ms"\nmost_backoff = "200ms"'


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def taker(name: str, *lines: str, subject: str = "orders.*") -> str:
    """Return the tables of a component that writes down the messages that it takes, under its name."""
    return (
        f'[[messaging]]\nsubject = "{subject}"\ncomponent = "{name}"\n' + "\n".join(lines) + "\n"
        f'[component.{name}]\nsource = "{component("taker")}"\nenvironment = {{ LOG = "{name}" }}\n'
        'grants = { keyvalue = ["default"] }\nlimits = { store = "16MiB" }\n'
    )


def deploy(lattice: Lattice, folder: Path, *tables: str) -> None:
    """Deploy an app whose component `one` publishes, and reads what others have written down."""
    folder /= "shop"
    folder.mkdir(exist_ok=True)
    grants = {"grants": {"keyvalue": ["default"], "messaging": [">"]}, "limits": {"store": "16MiB"}}
    sharing.write(folder, "shop", "\n".join(tables), one=grants, two={})
    lattice.wisp("deploy", folder, "--replicas", "per-host")


def publish(lattice: Lattice, host: str, body: str, subject: str = "orders.new", query: str = "") -> None:
    answer = lattice.post(host, f"/one/messaging/publish?subject={subject}{query}", body.encode())
    assert answer[0] == 200, answer


def log(lattice: Lattice, host: str, name: str) -> list[str]:
    """What a taker has written down: for each message subject, attempt and body."""
    status, body = lattice.get(host, f"/one/keyvalue/get?key={name}")
    return body.decode().splitlines() if status == 200 else []


def until(look: Callable[[], Any], *, wanted: Callable[[Any], bool]) -> Any:
    """Look again and again until it is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(found := look()):
        assert time.monotonic() < deadline, f"waited in vain: {found}"
    return found


def logged(lattice: Lattice, host: str, name: str, count: int) -> list[str]:
    """Wait until a taker has written so many lines."""
    lines: list[str] = until(lambda: log(lattice, host, name), wanted=lambda lines: len(lines) >= count)
    return lines


def test_each_group_gets_every_message_once_whichever_host_it_was_published_on(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    deploy(lattice, tmp_path, taker("mail"), taker("stock"), taker("other", subject="paid.>"))

    for number in range(40):
        publish(lattice, "ab"[number % 2], f"message {number}")
    publish(lattice, "a", "paid", "paid.by.card")

    expected = sorted(f"orders.new 1 message {number}" for number in range(40))
    assert sorted(logged(lattice, "a", "mail", 40)) == expected
    assert sorted(logged(lattice, "b", "stock", 40)) == expected
    assert logged(lattice, "b", "other", 1) == ["paid.by.card 1 paid"]


def test_a_message_has_its_type_and_headers_in_their_order(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    deploy(lattice, tmp_path, taker("mail"))

    publish(lattice, "a", "headers", query="&type=text/x&header=b:1,a:2,b:3")

    assert logged(lattice, "a", "mail", 2) == ["orders.new 1 headers", "text/x b=1 a=2 b=3"]


def test_what_fails_or_traps_comes_again_and_is_put_aside_with_its_story_when_all_attempts_have_failed(
    lattice: Lattice, tmp_path: Path
) -> None:
    host = lattice.start("a")
    deploy(
        lattice,
        tmp_path,
        taker("mail", "attempts = 3", QUICK),
        taker("undertaker", subject="dead.mail"),
    )

    publish(lattice, "a", "until 3")
    assert logged(lattice, "a", "mail", 3) == [f"orders.new {attempt} until 3" for attempt in (1, 2, 3)]
    publish(lattice, "a", "fail the printer is out of paper")
    assert logged(lattice, "a", "undertaker", 1) == ["dead.mail 1 fail the printer is out of paper"]
    publish(lattice, "a", "trap")
    assert logged(lattice, "a", "undertaker", 2)[1] == "dead.mail 1 trap"

    assert len(log(lattice, "a", "mail")) == 9
    messages = [line.get("message", "") for line in host.lines]
    assert any("failed, attempt 2 of 3: the printer is out of paper" in message for message in messages)
    assert any("is put aside to dead.mail: the printer is out of paper" in message for message in messages)


def test_messages_of_one_key_are_taken_one_after_the_other_and_other_keys_do_not_wait_for_a_failing_one(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    deploy(
        lattice,
        tmp_path,
        taker("mail", "ordered = true", "attempts = 1000", 'backoff = "500ms"', 'most_backoff = "500ms"'),
    )

    publish(lattice, "a", "until 4", query="&header=wisp-key:slow")
    for number in range(10):
        publish(lattice, "ab"[number % 2], f"slow {number}", query="&header=wisp-key:slow")
        publish(lattice, "ab"[number % 2], f"quick {number}", query="&header=wisp-key:quick")

    lines = [line.partition(" ")[2] for line in logged(lattice, "a", "mail", 24)]
    slow = [line for line in lines if "quick" not in line]
    assert slow == [
        *(f"{attempt} until 4" for attempt in (1, 2, 3, 4)),
        *(f"1 slow {number}" for number in range(10)),
    ]
    assert [line for line in lines if "quick" in line] == [f"1 quick {number}" for number in range(10)]
    assert lines.index("1 quick 9") < lines.index("1 slow 0")


def test_no_acknowledged_message_is_lost_when_nats_and_a_host_are_killed_in_the_middle(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name)
    deploy(lattice, tmp_path, taker("mail", "attempts = 50", QUICK))

    acknowledged = []
    for number in range(120):
        if number == 40:
            lattice.nats.kill()
            lattice.nats.start()
        if number == 80:
            lattice.kill("c")
        status, _ = lattice.post(
            "ab"[number % 2], "/one/messaging/publish?subject=orders.new", str(number).encode()
        )
        if status == 200:
            acknowledged.append(str(number))

    assert len(acknowledged) > 100
    wanted = set(acknowledged)

    def taken() -> set[str]:
        return {line.rpartition(" ")[2] for line in log(lattice, "a", "mail")}

    until(taken, wanted=lambda found: found >= wanted)


def test_a_message_that_a_killed_worker_had_is_taken_by_another_and_a_drained_worker_finishes_its_own(
    lattice: Lattice, tmp_path: Path
) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path, taker("mail", "attempts = 5", QUICK))

    publish(lattice, "a", "sleep 3000")
    assert logged(lattice, "a", "mail", 1) == ["orders.new 1 sleep 3000"]
    lattice.wisp("scale", "shop", "--replicas", "1")
    host.signal(signal.SIGTERM)
    assert host.process.wait(PATIENCE) == 0
    lattice.hosts.pop("a")
    lattice.start("b")
    lattice.until_complete("shop", 1)
    publish(lattice, "b", "after")

    assert logged(lattice, "b", "mail", 2) == ["orders.new 1 sleep 3000", "orders.new 1 after"]


def test_how_much_waits_and_what_became_of_messages_is_told(lattice: Lattice, tmp_path: Path) -> None:
    host = lattice.start("a")
    deploy(lattice, tmp_path, taker("mail", "attempts = 1000", 'backoff = "1h"', 'most_backoff = "1h"'))

    publish(lattice, "a", "fine")
    publish(lattice, "a", "fail for now")

    def counts() -> dict[str, Any]:
        found = host.admin("metrics")["messaging"]
        [one] = found
        return dict(one)

    told = until(counts, wanted=lambda found: found.get("waiting") == 1 and found["failed"] == 1)
    about = {"app": "shop", "component": "mail", "group": "mail", "subject": "orders.*"}
    assert told == {**about, "taken": 2, "acknowledged": 1, "failed": 1, "put_aside": 0, "waiting": 1}
    shown = json.loads(lattice.wisp("app", "shop", "--json").stdout)
    assert shown["messaging"] == [{"group": "mail", "subject": "orders.*", "waiting": 1}]
    assert "mail takes orders.*: 1 waits" in lattice.wisp("app", "shop").stdout
