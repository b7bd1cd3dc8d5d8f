"""Calls `numbers` when it gets a request: `GET /.../process/1000` answers with the nanoseconds that it took."""

import time
from collections.abc import Callable

from wisp_guest.http import Problem, Request, Response, serve
from wit_world.imports import numbers

PACKET = numbers.Packet("a1", "payload", 7)


@serve
def handle(request: Request) -> Response:
    """Call, and say how long it took."""
    name, count = request.path.split("/")[-2:]
    loop = LOOPS.get(name)
    if loop is None:
        raise Problem(404, f"there is no loop {name}")
    began = time.perf_counter_ns()
    loop(int(count))
    return Response.text(str(time.perf_counter_ns() - began))


def nothing(count: int) -> None:
    """Run the loop alone."""
    for _ in range(count):
        pass


def add(count: int) -> None:
    """Add numbers."""
    total = 0
    for number in range(count):
        total = numbers.add(total, number) & 0xFFFF


def process(count: int) -> None:
    """Pass a record, and get one."""
    for _ in range(count):
        numbers.process(PACKET)


LOOPS: dict[str, Callable[[int], None]] = {"nothing": nothing, "add": add, "process": process}
