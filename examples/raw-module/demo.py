"""The same function twice: as a core module that is called by hand, and as a component that is described in WIT.

    python examples/raw-module/demo.py

Does what goes wrong by hand, one after the other, and shows what comes of it; beside it, the same with WIT.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import build

import wisp
import wisp.sync

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
INTERFACE = "cyber:packets/data-processor"
LITTLE = wisp.Limits(memory="2MiB")
"""Enough for either, if memory that is not needed any more is given back."""

NOTE = ("packet-1", "classified")
SECRET = ("packet-2", "code: 4711")


class ByHand:
    """The module's ABI: who calls it finds room, writes, passes where and how much, reads and releases."""

    def __init__(self, instance: wisp.sync.ModuleInstance) -> None:
        self.memory = instance.memory
        self.allocate = instance["allocate"]
        self.release = instance["release"]
        self.process_data = instance["process_data"]

    def put(self, packet: tuple[str, str]) -> tuple[int, int]:
        """Write a packet into the module's memory, and return where it is and how long."""
        data = "\n".join(packet).encode()
        address = self.allocate(len(data))
        self.memory.write(address, data)
        return address, len(data)

    def text(self, address: int) -> str:
        """Read an answer."""
        length = int.from_bytes(self.memory.read(address, 4), "little")
        return self.memory.read(address + 4, length).decode()

    def process(self, packet: tuple[str, str]) -> str:
        """Do all of it, in the right order."""
        address, length = self.put(packet)
        answer = self.process_data(address, length)
        text = self.text(answer)
        self.release(answer)
        self.release(address)
        return text


def done_right(raw: ByHand) -> str:
    return f"{raw.process(NOTE)!r}, after 5 calls and 2 accesses to its memory"


def done_right_with_wit(packets: Any) -> str:
    return f"{packets.process(packets.Packet(*NOTE))!r}, after 1 call"


def leak(raw: ByHand) -> str:
    before, calls = len(raw.memory) // 1024, 0
    while (packet := raw.put(NOTE))[0] != 0:
        raw.process_data(*packet)
        calls += 1
    after = len(raw.memory) // 1024
    return f"nothing is released: {before} KiB are {after} KiB after {calls} calls, then there is no room"


def leak_with_wit(packets: Any) -> str:
    for _ in range(100_000):
        packets.process(packets.Packet(*NOTE))
    return "100000 calls, and there is room: nobody can forget what nobody does"


def null(raw: ByHand) -> str:
    while raw.allocate(1000):
        pass
    address, length = raw.put(NOTE)
    found = raw.memory.read(0, length)
    return (
        f"no room, address {address}, nobody looks: it is written to all the same, there stands {found!r} now"
    )


def null_with_wit(packets: Any) -> str:
    try:
        packets.process(packets.Packet("packet-1", None))
    except wisp.TypeMismatch as refused:
        return f"there is no address; a value that is none is refused: {refused}"
    return "not refused"


def overflow(raw: ByHand) -> str:
    first, _ = raw.put(NOTE)
    second, length = raw.put(SECRET)
    raw.memory.write(first, b"x" * (second - first + 8))
    return f"a packet longer than its room overwrites the one behind it, which is now {raw.memory.read(second, length)!r}"


def overflow_with_wit(packets: Any) -> str:
    long = packets.process(packets.Packet("packet-1", "x" * 100_000))
    return f"room is made for what is passed: the answer has {len(long)} characters"


def wrong_length(raw: ByHand) -> str:
    address, length = raw.put(NOTE)
    raw.put(SECRET)
    answer = raw.text(raw.process_data(address, length + 64))
    return f"64 too many, and the answer to one packet has another one in it: {re.sub(chr(0) + '+', '...', answer)!r}"


def wrong_length_with_wit(packets: Any) -> str:
    packets.process(packets.Packet(*SECRET))
    return f"a string knows its length: {packets.process(packets.Packet(*NOTE))!r}"


def out_of_bounds(raw: ByHand) -> str:
    address, _ = raw.put(NOTE)
    try:
        raw.process_data(address, -1)
    except wisp.Trap as trap:
        return f"a length of -1 is one of 4 GiB: {str(trap).splitlines()[0]}; the instance is gone"
    return "no trap"


def out_of_bounds_with_wit(packets: Any) -> str:
    try:
        packets.process(packets.Packet("packet-1", -1))
    except wisp.TypeMismatch as refused:
        again = packets.process(packets.Packet(*NOTE))
        return f"refused before the guest sees it: {refused}; the next call gives {again!r}"
    return "not refused"


def after_free(raw: ByHand) -> str:
    note, secret = raw.put(NOTE), raw.put(SECRET)
    answer = raw.process_data(*note)
    raw.release(answer)
    raw.process_data(*secret)
    return f"the answer to packet-1 was released, then read once more: {raw.text(answer)!r}"


def after_free_with_wit(packets: Any) -> str:
    answer = packets.process(packets.Packet(*NOTE))
    packets.process(packets.Packet(*SECRET))
    return f"the answer is a str of Python's own, and stays {answer!r}"


def released_twice(raw: ByHand) -> str:
    address, _ = raw.put(NOTE)
    raw.release(address)
    raw.release(address)
    (one, length), (other, _) = raw.put(NOTE), raw.put(SECRET)
    return f"one packet is at {one}, the next at {other}: the first reads {raw.memory.read(one, length)!r}"


def released_twice_with_wit(packets: Any) -> str:
    return "nobody releases anything"


STORIES: dict[str, tuple[Callable[[ByHand], str], Callable[[Any], str]]] = {
    "done right": (done_right, done_right_with_wit),
    "a leak": (leak, leak_with_wit),
    "a null pointer": (null, null_with_wit),
    "an overflow": (overflow, overflow_with_wit),
    "a wrong length": (wrong_length, wrong_length_with_wit),
    "out of bounds": (out_of_bounds, out_of_bounds_with_wit),
    "use after free": (after_free, after_free_with_wit),
    "released twice": (released_twice, released_twice_with_wit),
}


def main() -> int:
    """Tell every story, each with instances of its own."""
    with wisp.sync.Host() as host:
        module = host.load_module(build.module())
        component = host.load(HERE)
        for title, (by_hand, with_wit) in STORIES.items():
            print(title)
            with module.instantiate(limits=LITTLE) as instance:
                print(f"  by hand   {by_hand(ByHand(instance))}")
            with component.instantiate(limits=LITTLE) as guest:
                print(f"  with WIT  {with_wit(guest[INTERFACE])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
