"""The system calls of one thread, seen through ptrace: nothing has to be installed, and nothing is counted twice.

Theory of operation. The kernel stops the thread at the entry and at the exit of each system call and tells us. A server with one
thread is at rest when it is about to wait for an event and nothing is left to do; there we leave it stopped, so whatever a client
sends meanwhile is there as a whole when it goes on, however busy the machine is. That makes the calls of a request the same every
time. What is not counted is what depends on time: waits that ended without an event, waits for a lock that another
thread has, and reading the clock, which is a system call on some machines only. What time adds nevertheless (a guest that was interrupted, a timer that was due) only ever adds.

ptrace belongs to the thread that has attached: all methods have to be called on the same one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

from counting.kernel import NAMES, Entry, SyscallInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SYSCALL, DETACH, SEIZE, INTERRUPT, GET_SYSCALL_INFO = 24, 17, 0x4206, 0x4207, 0x420E
TELL_SYSCALLS = 1
"""The option that marks stops at system calls, so that they are not taken for signals."""

MARKED = signal.SIGTRAP | 0x80
ANY_THREAD = 0x40000000
ENTERED, LEFT = 1, 2
WAITS = {"epoll_wait": 3, "epoll_pwait": 3}
"""Calls that wait for an event, and which argument says for how long."""

BY_TIME = {"clock_gettime", "gettimeofday", "futex"}
"""Calls that are not counted. A lock makes one only when another thread holds it at that moment."""

LIMIT = 60.0
"""Seconds in which the thread must come to rest, on a very busy machine too."""


class TraceError(Exception):
    """The thread cannot be traced, or does not come to rest."""


class Trace:
    """The system calls of one thread; use it as a context."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.restype = ctypes.c_long
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._names = NAMES.get(platform.machine(), {})
        self._stopped = False
        self._name = ""
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._ask(SEIZE, None, TELL_SYSCALLS)
        self._ask(INTERRUPT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stopped:
            # It may have been killed meanwhile, which is told already.
            with contextlib.suppress(TraceError):
                self._ask(DETACH)

    def rest(self, done: Callable[[], bool]) -> None:
        """Let the thread go on until it is about to wait and `done` says that everything has been done."""
        watchdog = threading.Timer(LIMIT, os.kill, (self._thread, signal.SIGKILL))
        watchdog.start()
        try:
            while not (self._step() and done()):
                pass
        finally:
            watchdog.cancel()

    def _step(self) -> bool:
        """Go on to the next stop; whether the thread is about to wait there."""
        if self._stopped:
            self._ask(SYSCALL)
        _, status = os.waitpid(self._thread, ANY_THREAD)
        if not os.WIFSTOPPED(status):
            self._stopped = False
            message = f"the traced process has ended with status {status}, or did not rest within {LIMIT:g} s"
            raise TraceError(message)
        self._stopped = True
        if os.WSTOPSIG(status) == MARKED:
            return self._at_call()
        if status >> 16 == 0:  # a signal on its way
            self._ask(SYSCALL, None, os.WSTOPSIG(status))
            self._stopped = False
        return False

    def _at_call(self) -> bool:
        info = SyscallInfo()
        self._ask(GET_SYSCALL_INFO, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == ENTERED:
            self._name = self._names.get(info.entry.nr, f"system call {info.entry.nr}")
            return self._enter(info.entry)
        if info.op == LEFT:
            self._leave(info.exit.rval)
        return False

    def _enter(self, entry: Entry) -> bool:
        place = WAITS.get(self._name)
        if place is None:
            if self._name not in BY_TIME:
                self.counts[self._name] += 1
            return False
        return ctypes.c_int(entry.args[place]).value != 0

    def _leave(self, result: int) -> None:
        if self._name in WAITS and result > 0:
            self.counts["epoll_wait"] += 1

    def _ask(self, request: int, address: int | None = None, data: int | None = None) -> None:
        if self._libc.ptrace(request, self._thread, address, data) < 0:
            number = ctypes.get_errno()
            gone = number == errno.ESRCH
            message = "the traced process has ended" if gone else f"ptrace: {os.strerror(number)}"
            raise TraceError(message)
