from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import HostError
from wisp.host import control
from wisp.host.control import Drained, Draining, Failed, Metrics, Ready

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def reader(data: bytes) -> asyncio.StreamReader:
    """Return a stream of these bytes and its end."""
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return stream


def frame(message: Mapping[str, object]) -> bytes:
    return control.encode(message)


def test_a_frame_is_the_length_in_network_order_and_the_json() -> None:
    assert frame({"type": "metrics"}) == b'\x00\x00\x00\x12{"type":"metrics"}'


def test_text_is_sent_as_utf_8() -> None:
    assert frame({"a": "ä"}) == b'\x00\x00\x00\x0a{"a":"\xc3\xa4"}'


@given(st.dictionaries(st.text().filter(lambda key: key != "type"), VALUES))
def test_what_is_encoded_is_decoded(values: dict[str, object]) -> None:
    body = control.encode({**values, "type": "metrics"})[control.LENGTH.size :]

    assert control.decode(body) == Metrics(values)


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ({"type": "ready", "pid": 7, "startup_us": 4200}, Ready(7, 4200)),
        ({"type": "draining"}, Draining()),
        ({"type": "drained"}, Drained()),
        (
            {"type": "failed", "kind": "tls", "message": "no", "component": None, "digest": None},
            Failed("tls", "no"),
        ),
        (
            {"type": "failed", "kind": "artifact", "message": "no", "component": "c", "digest": "sha256:0"},
            Failed("artifact", "no", "c", "sha256:0"),
        ),
    ],
)
async def test_each_reply_is_read(message: dict[str, object], reply: control.Reply) -> None:
    assert await control.read(reader(frame(message))) == reply


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"\xff", b'{"type":"ready"}', b'{"type":"ready","pid":"x","startup_us":1}'],
)
def test_what_is_no_reply_is_an_error_of_the_protocol(body: bytes) -> None:
    with pytest.raises(HostError) as caught:
        control.decode(body)

    assert caught.value.kind == "protocol"


def test_a_reply_of_an_unknown_type_is_named() -> None:
    with pytest.raises(HostError, match="unknown type 'hello'"):
        control.decode(b'{"type":"hello"}')


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_in_another_way(body: bytes) -> None:
    with contextlib.suppress(HostError):
        control.decode(body)


@pytest.mark.parametrize("length", range(6))
async def test_a_frame_cut_short_is_the_end(length: int) -> None:
    assert await control.read(reader(frame({"type": "drained"})[:length])) is None


async def test_a_frame_that_is_announced_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(HostError, match="announced a message of 4294967295 bytes"):
        await control.read(reader(b"\xff\xff\xff\xff"))


def test_a_message_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LARGEST_FRAME", 10)

    with pytest.raises(HostError, match="too large"):
        frame({"type": "start"})


async def test_messages_cross_a_socket_pair_both_ways() -> None:
    ours, theirs = socket.socketpair()
    channel = await control.connect(ours)
    other = await control.connect(theirs)

    await channel.send({"type": "drained"})
    await other.send({"type": "ready", "pid": 1, "startup_us": 2})

    assert await other.read() == Drained()
    assert await channel.read() == Ready(1, 2)
    other.close()
    assert await channel.read() is None
    channel.close()


async def test_sending_to_a_worker_that_is_gone_is_not_an_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    channel = await control.connect(ours)

    for _ in range(3):
        await channel.send({"type": "metrics", "padding": "x" * 100_000})

    channel.close()
    assert json.loads(frame({"a": 1})[4:]) == {"a": 1}


async def test_messages_that_are_sent_at_once_arrive_one_after_the_other_also_when_their_senders_give_up() -> (
    None
):
    ours, theirs = socket.socketpair()
    channel = await control.connect(ours)
    other = await asyncio.open_unix_connection(sock=theirs)
    large = {"large": "x" * 3_000_000}
    sending = [asyncio.create_task(channel.send({**large, "number": number})) for number in range(3)]
    await asyncio.sleep(0)  # until they have begun
    sending[0].cancel()
    sending[1].cancel()

    read = []
    for _ in sending:
        (length,) = control.LENGTH.unpack(await other[0].readexactly(control.LENGTH.size))
        read.append(json.loads(await other[0].readexactly(length))["number"])

    assert read == [0, 1, 2]
    channel.close()
    other[1].close()
