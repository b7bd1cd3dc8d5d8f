"""The modules of the guest library in front of the host for tests: what they do, and that the host does as the real one."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from wisp_guest import blobstore, client, config, errors, keyvalue, messaging, sqlite, testing
from wisp_guest.http import Request, Response

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

store = keyvalue.open("default")
images = blobstore.container("images")
db = sqlite.connect("default")


@pytest.fixture
def host() -> Iterator[testing.Host]:
    with testing.host(config={"greeting": "hi"}) as host:
        yield host


def test_a_store_is_used_like_a_dictionary(host: testing.Host) -> None:
    store["a"] = b"1"
    store["b"] = "käse"

    assert store["a"] == b"1"
    assert store.get("b") == "käse".encode()
    assert (store.get("c"), store.get("c", b"x")) == (None, b"x")
    assert ("a" in store, "c" in store, 1 in store) == (True, False, False)
    assert list(store) == ["a", "b"]
    del store["a"]
    with pytest.raises(KeyError, match="a"):
        store["a"]
    assert host.keyvalue == {"default": {"b": "käse".encode()}}


def test_each_host_begins_anew_also_for_stores_that_are_kept() -> None:
    for _ in range(2):
        with testing.host() as host:
            assert store.increment("hits") == 1
            assert host.keyvalue["default"] == {"hits": b"1"}
    with pytest.raises(errors.OutsideError):
        store.get("hits")


@pytest.mark.usefixtures("host")
def test_keys_with_a_prefix_come_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyvalue, "PAGE", 2)
    store.set_many({f"user:{number}": b"x" for number in range(5)} | {"zoo": b"y"})

    assert list(store.keys("user:")) == [f"user:{number}" for number in range(5)]
    assert len(list(store.keys())) == 6
    store.delete_many(store.keys("user:"))
    assert store.get_many(["zoo", "user:1"]) == {"zoo": b"y"}


def test_many_keys_are_more_than_one_question_may_have(host: testing.Host) -> None:
    keys = [f"{number:04}" for number in range(2500)]

    store.set_many(dict.fromkeys(keys, b"x"))

    assert list(store.get_many(keys)) == list(store.keys()) == keys
    store.delete_many(iter(keys[1:]))
    assert host.keyvalue == {"default": {"0000": b"x"}}


@pytest.mark.usefixtures("host")
def test_a_value_is_forgotten_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store.set("session", b"s", ttl=timedelta(minutes=1))
    entry = store.entry("session")
    assert entry is not None
    assert entry.time_left == timedelta(minutes=1)

    monkeypatch.setattr(time, "monotonic", lambda: now + 60)

    assert store.get("session") is None
    with pytest.raises(ValueError, match="more than 0 seconds"):
        store.set("session", b"s", ttl=0)


@pytest.mark.usefixtures("host")
def test_compare_and_set_gives_way_to_who_was_faster() -> None:
    first = store.cas("key", None, b"1")
    second = store.cas("key", first, b"2")

    with pytest.raises(keyvalue.ChangedError) as caught:
        store.cas("key", first, b"3")

    assert (caught.value.key, caught.value.version) == ("key", second)
    assert store["key"] == b"2"


@pytest.mark.usefixtures("host")
def test_an_update_is_done_again_when_somebody_comes_in_between() -> None:
    seen: list[bytes | None] = []

    def change(old: bytes | None) -> bytes:
        seen.append(old)
        if len(seen) == 1:
            store["cart"] = b"apple,"
        return (old or b"") + b"pear,"

    assert store.update("cart", change) == b"apple,pear,"
    assert seen == [None, b"apple,"]
    assert store["cart"] == b"apple,pear,"


@pytest.mark.usefixtures("host")
def test_the_configuration_has_what_it_was_given() -> None:
    assert config.get("greeting") == config.require("greeting") == "hi"
    assert (config.get("token"), config.get("token", "none")) == (None, "none")
    assert config.all() == {"greeting": "hi"}
    with pytest.raises(config.MissingError, match=r"grants\.config"):
        config.require("token")


@pytest.mark.usefixtures("host")
def test_a_database_answers_rows_by_number_and_by_name() -> None:
    db.execute("create table notes (id integer primary key, text, data, weight)")
    cursor = db.execute("insert into notes (text, data, weight) values (?, ?, ?)", ["milk", b"\0", 0.5])
    assert (cursor.rowcount, cursor.lastrowid) == (1, 1)

    [row] = db.execute("select id, text, data, weight from notes where id = ?", [1])

    assert (row["text"], row[-1], row[:2]) == ("milk", 0.5, (1, "milk"))
    assert tuple(row) == (1, "milk", b"\0", 0.5)
    assert dict(row) == {"id": 1, "text": "milk", "data": b"\0", "weight": 0.5}
    with pytest.raises(KeyError, match="nothing"):
        row["nothing"]
    assert db.execute("insert into notes (text) values (?) returning id", [None]).fetchone() == (2,)
    assert db.execute("select id from notes where id > 9").fetchall() == []


@pytest.mark.usefixtures("host")
def test_a_transaction_is_done_whole_or_not_at_all() -> None:
    db.execute("create table notes (text unique)")

    with pytest.raises(sqlite.IntegrityError, match="UNIQUE constraint failed") as caught:
        db.executemany("insert into notes values (?)", [["a"], ["a"]])
    assert caught.value.code == 2067
    assert db.executemany("insert into notes values (?)", [["b"], ["c"]]) == 2

    assert [row[0] for row in db.execute("select text from notes")] == ["b", "c"]


@pytest.mark.usefixtures("host")
def test_what_is_no_sql_or_no_value_is_the_programmer_s_fault() -> None:
    with pytest.raises(sqlite.ProgrammingError, match="syntax error"):
        db.execute("selekt 1 from")
    with pytest.raises(sqlite.ProgrammingError, match="not dict"):
        db.execute("select ?", [{}])  # type: ignore[list-item]


def test_blobs_are_read_and_written_whole_and_in_part(host: testing.Host) -> None:
    images.write("cat", b"miaow")
    images.write("dog", (piece for piece in (b"wo", b"of")))

    assert images.read("cat") == b"miaow"
    assert (images.read("cat", 1, 3), images.read("cat", 2), images.read("cat", 3, 3)) == (b"ia", b"aow", b"")
    assert ("cat" in images, "cow" in images, list(images)) == (True, False, ["cat", "dog"])
    assert images.info("dog").size == 4
    images.copy("cat", "tiger")
    images.move("dog", "wolf", container="others")
    images.delete("cat", "nobody")
    assert host.blobstore == {"images": {"tiger": b"miaow"}, "others": {"wolf": b"woof"}}
    images.clear()
    assert list(images) == []


@pytest.mark.usefixtures("host")
def test_a_blob_is_a_file_too() -> None:
    with images.open("lines", "wb") as written:
        for number in range(30_000):
            written.write(b"%d\n" % number)

    with images.open("lines") as read:
        assert read.readline() == b"0\n"
        assert sum(1 for _ in read) == 29_999
    with pytest.raises(blobstore.NotFoundError, match="there is no object `none`"):
        images.open("none")
    with pytest.raises(ValueError, match="'rb' or 'wb'"):
        images.open("lines", "a")  # type: ignore[call-overload]


@pytest.mark.usefixtures("host")
def test_a_blob_whose_writer_fails_stays_as_it_was() -> None:
    images.write("page", b"old")

    def fail(file: io.BufferedWriter) -> None:
        with file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(images.open("page", "wb"))
    with pytest.raises(ZeroDivisionError):
        images.write("page", (b"%d" % (1 // each) for each in (1, 0)))

    assert images.read("page") == b"old"


def test_messages_are_published_with_the_type_of_what_they_say(host: testing.Host) -> None:
    messaging.publish("orders.created", {"id": 7})
    messaging.publish("orders.text", "hi", headers={"X": "y"})
    messaging.publish("orders.bytes", b"\0", content_type="image/png")

    assert host.messages == [
        testing.Message("orders.created", b'{"id":7}', "application/json", []),
        testing.Message("orders.text", b"hi", "text/plain; charset=utf-8", [("x", "y")]),
        testing.Message("orders.bytes", b"\0", "image/png", []),
    ]


def web(request: Request) -> Response:
    if request.path == "/echo":
        return Response.json([request.method, request.headers["content-type"], request.text()])
    return Response.json({"host": request.headers["host"]}, 404)


def test_requests_are_sent_to_who_stands_for_the_others() -> None:
    with testing.host(web=web) as host:
        answer = client.post("https://api.example/echo?x=1", json=["a"]).raise_for_status().json()
        missing = client.get("http://other.example", headers={"accept": "*/*"}, timeout=1)

        assert answer == ["POST", "application/json", '["a"]']
        assert (missing.status, missing.ok, missing.json()) == (404, False, {"host": "other.example"})
        with pytest.raises(client.StatusError, match="was answered with 404") as caught:
            missing.raise_for_status()
        assert caught.value.response is missing
        assert [request.target for request in host.requests] == ["/echo?x=1", "/"]


def test_requests_of_coroutines_are_sent_too() -> None:
    async def both() -> list[bytes]:
        answers = await asyncio.gather(
            client.send_async("PUT", "https://a.example/echo", "x"),
            client.send_async("GET", "https://b.example/"),
        )
        return [await answer.read() for answer in answers]

    with testing.host(web=web):
        first, second = asyncio.run(both())

    assert first == b'["PUT","text/plain; charset=utf-8","x"]'
    assert second == b'{"host":"b.example"}'


@pytest.mark.usefixtures("host")
def test_without_anybody_to_answer_requests_reach_nobody() -> None:
    with pytest.raises(client.UnreachableError, match="nobody answers in this test"):
        client.get("https://example.com")
