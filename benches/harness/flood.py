"""Requests at a fixed rate, whatever is answered: more than a component can take.

One thread sends each request when it is due, on a connection that waits for no answer, and counts the answers by their status.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from harness.client import PIECE, length, request

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS: Final = 64
_END: Final = b"\r\n\r\n"


@contextmanager
def flooded(port: int, path: str, rate: int) -> Iterator[Counter[int]]:
    """Send so many requests in each second until the block ends; gives the answers by status, which grow meanwhile."""
    answers: Counter[int] = Counter()
    over = threading.Event()
    thread = threading.Thread(target=_send, args=(port, request(path), rate, answers, over))
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def status(received: bytes) -> int | None:
    """Return the status of an answer, once all of it is there."""
    head, end, body = received.partition(_END)
    if not end or len(body) < length(head):
        return None
    return int(head.split(b" ", 2)[1])


def _send(port: int, asked: bytes, rate: int, answers: Counter[int], over: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        idle = deque(socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS))
        everyone = tuple(idle)
        came: dict[socket.socket, bytes] = {}
        due = time.monotonic()
        while not over.is_set():
            while idle and due <= time.monotonic():
                due += 1 / rate
                one = idle.popleft()
                one.sendall(asked)
                came[one] = b""
                selector.register(one, selectors.EVENT_READ)
            for key, _ in selector.select(max(0.0, due - time.monotonic()) if idle else 1.0):
                one = key.fileobj  # type: ignore[assignment]
                came[one] += one.recv(PIECE)
                if found := status(came[one]):
                    answers[found] += 1
                    selector.unregister(one)
                    idle.append(one)
        for one in everyone:
            one.close()
