"""Messages that guests publish."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.wire import ask
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds the guest, and compiles it.
pytestmark = pytest.mark.timeout(900)

APP = """
[app]
name = "app"

[[http]]
route = "/..."
component = "shop"

[component.shop]
source = "{guest}"
grants.messaging = ["orders.*", "audit.>"]
limits = {{ store = "256KiB", body = "2MiB" }}
"""


@pytest.fixture
def host(tmp_path: Path, cache: Path) -> Iterator[Host]:
    (tmp_path / "wisp.toml").write_text(APP.format(guest=component("capabilities")), encoding="utf-8")
    with Host("--workers", "2", folder=tmp_path, variables=environment(cache)) as host:
        yield host


def publish(host: Host, query: str, body: bytes = b"") -> tuple[int, str]:
    answer = ask(host.address, "POST", f"/messaging/publish?{query}", body=body)
    return answer.status, answer.text


def kept(folder: Path, columns: str) -> list[Any]:
    path = folder / ".wisp" / "state" / "messaging" / "messages.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(f"SELECT {columns} FROM message ORDER BY sequence").fetchall()  # noqa: S608 - ours


def test_messages_are_kept_in_order_with_all_that_belongs_to_them(host: Host, tmp_path: Path) -> None:
    assert publish(host, "subject=orders.created&type=text/plain&header=trace:abc", b"first") == (200, "done")
    assert publish(host, "subject=audit.a.b.c", b"second") == (200, "done")

    rows = kept(tmp_path, "sequence, component, subject, content_type, headers, body")
    assert rows == [
        (
            1,
            "shop",
            "orders.created",
            "text/plain",
            json.dumps([["trace", "abc"]], separators=(",", ":")),
            b"first",
        ),
        (2, "shop", "audit.a.b.c", None, "[]", b"second"),
    ]


def test_only_subjects_that_are_granted_are_published_to(host: Host) -> None:
    for subject in ("orders", "orders.created.late", "audit", "payments"):
        assert publish(host, f"subject={subject}") == (500, "access-denied")
        line = host.line(kind="denial", target=subject)
        assert (line["import"], line["grant"]) == ("wisp:messaging/producer", f'messaging = ["{subject}"]')
    for subject in ("orders.*", "orders..a", ".orders", "orders.", "", "orders.a/b", "a" * 300):
        assert publish(host, f"subject={subject}") == (500, "invalid-subject")


def test_a_message_has_bounds_and_the_oldest_make_room_for_the_newest(host: Host, tmp_path: Path) -> None:
    assert publish(host, "subject=orders.a", b"x" * (1 << 20) + b"x") == (500, "too-large")
    assert publish(host, "subject=orders.a&header=a:b%0Ac")[0] == 500
    never = publish(host, "subject=orders.a", b"x" * (1 << 19))
    assert never[0] == 500
    assert never[1].startswith("unavailable: ")
    for number in range(30):
        assert publish(host, f"subject=orders.n{number}", b"x" * 20_000) == (200, "done")

    subjects = [subject for (subject,) in kept(tmp_path, "subject")]
    assert subjects == [f"orders.n{number}" for number in range(30 - len(subjects), 30)]
    assert 5 < len(subjects) < 13
