"""A network of network namespaces, whose cable is this process: it carries every frame, later, or not at all.

`python -m tests.e2e.faults.wire NAME...` makes a namespace for each name, with an address in one network, and says on stdout where they are. Then it
reads rules from stdin, a line of JSON each, and answers each with a line. Nothing has a name outside of this process: when it ends, because stdin
did, all of it is gone.

A cable of our own can do what faults need on any Linux: kernels are built without netem, and machines come without iptables.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

NEW_NETWORK: Final = 0x40000000
TUNSETIFF: Final = 0x400454CA
TAP_WITHOUT_HEADER: Final = 0x0002 | 0x1000
FRAME: Final = 2048
BROADCAST: Final = 1
"""The bit of an address's first byte that says: to everybody."""

LONGEST_QUEUE: Final = 0.5
"""Seconds of what a slow link sends later; what comes on top is lost, as at a router."""


def address(number: int) -> str:
    """Return the address of the so-manieth port."""
    return f"10.99.0.{number + 1}"


@dataclass(slots=True)
class Link:
    """One direction between two ports."""

    loss: float = 0.0
    delay: float = 0.0
    rate: float = 0.0
    """Bytes a second; 0 is as fast as it goes."""

    busy_until: float = 0.0


@dataclass(order=True, slots=True)
class Later:
    """A frame on its way."""

    due: float
    order: int
    port: int = field(compare=False)
    frame: bytes = field(compare=False)


class Wire:
    """The cable."""

    def __init__(self, taps: list[int]) -> None:
        self._taps = taps
        self._links: dict[tuple[int, int], Link] = {}
        self._later: list[Later] = []
        self._random = random.Random(0)  # noqa: S311 - nothing secret
        self._order = 0

    def rule(self, rules: list[tuple[int, int, dict[str, float]]], seed: int) -> None:
        """Replace all rules. A link of which nothing is said is a good one."""
        self._links = {(source, target): Link(**rule) for source, target, rule in rules}
        self._random = random.Random(seed)  # noqa: S311 - nothing secret

    def receive(self, source: int) -> None:
        """Take a frame from a port, and decide what becomes of it on the way to each port that it is for."""
        frame = os.read(self._taps[source], FRAME)
        if frame[0] & BROADCAST:
            targets = [port for port in range(len(self._taps)) if port != source]
        else:
            targets = [frame[5]] if frame[5] < len(self._taps) else []
        for target in targets:
            link = self._links.get((source, target))
            if link is None:
                self._send(target, frame)
            else:
                self._through(link, target, frame)

    def _through(self, link: Link, target: int, frame: bytes) -> None:
        if link.loss and self._random.random() < link.loss:
            return
        now = time.monotonic()
        begins = max(now, link.busy_until)
        if begins - now > LONGEST_QUEUE:
            return
        link.busy_until = begins + (len(frame) / link.rate if link.rate else 0.0)
        self._order += 1
        heapq.heappush(self._later, Later(link.busy_until + link.delay, self._order, target, frame))

    def _send(self, target: int, frame: bytes) -> None:
        try:
            os.write(self._taps[target], frame)
        except BlockingIOError:
            return  # its queue is full: lost

    def due(self) -> float | None:
        """Send what is due, and return the seconds until there is more."""
        now = time.monotonic()
        while self._later and self._later[0].due <= now:
            later = heapq.heappop(self._later)
            self._send(later.port, later.frame)
        return max(0.0, self._later[0].due - now) if self._later else None


def port(number: int) -> tuple[int, int]:
    """Make a namespace with one interface; returns the descriptors of both. This thread is in it afterwards."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no new network namespace")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", TAP_WITHOUT_HEADER))
    commands = (
        "link set lo up",
        # The last byte is the port, so that nothing has to be learned.
        f"link set eth0 address 02:00:00:00:00:{number:02x}",
        f"address add {address(number)}/24 dev eth0",
        "link set eth0 up",
    )
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)
    return os.open("/proc/self/ns/net", os.O_RDONLY), tap


def say(numbers: list[int]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(f"{json.dumps(numbers)}\n")
    sys.stdout.flush()


def main() -> None:
    """Make the network, and be its cable until stdin ends."""
    ports = [port(number) for number in range(len(sys.argv[1:]))]
    taps = [tap for _, tap in ports]
    wire = Wire(taps)
    say([namespace for namespace, _ in ports])
    with selectors.DefaultSelector() as selector:
        for number, tap in enumerate(taps):
            selector.register(tap, selectors.EVENT_READ, number)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(wire.due()):
                if key.data is not None:
                    wire.receive(key.data)
                elif line := sys.stdin.readline():
                    told = json.loads(line)
                    wire.rule([tuple(rule) for rule in told["rules"]], told["seed"])
                    say([])
                else:
                    return


if __name__ == "__main__":
    main()
