"""What the kernel says of a system call, and the names of those that a worker makes."""

from __future__ import annotations

import ctypes
from typing import ClassVar


class Entry(ctypes.Structure):
    """At the entry of a call: its number and its arguments."""

    _fields_: ClassVar = [("nr", ctypes.c_uint64), ("args", ctypes.c_uint64 * 6)]
    nr: int
    args: list[int]


class Exit(ctypes.Structure):
    """At its exit: what it gave."""

    _fields_: ClassVar = [("rval", ctypes.c_int64), ("is_error", ctypes.c_uint8)]
    rval: int
    is_error: int


class _Either(ctypes.Union):
    _fields_: ClassVar = [("entry", Entry), ("exit", Exit), ("room", ctypes.c_uint64 * 8)]


class SyscallInfo(ctypes.Structure):
    """`struct ptrace_syscall_info` of linux/ptrace.h."""

    _anonymous_ = ("either",)
    _fields_: ClassVar = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("either", _Either),
    ]
    op: int
    entry: Entry
    exit: Exit


_X86_64 = (
    "read 0, write 1, close 3, fstat 5, lseek 8, mmap 9, mprotect 10, munmap 11, brk 12, rt_sigaction 13, rt_sigprocmask 14,"
    " ioctl 16, pread64 17, pwrite64 18, readv 19, writev 20, sched_yield 24, mremap 25, madvise 28, getpid 39, sendto 44,"
    " recvfrom 45, sendmsg 46, recvmsg 47, shutdown 48, getsockname 51, getpeername 52, setsockopt 54, getsockopt 55, clone 56,"
    " fcntl 72, gettimeofday 96, sigaltstack 131, gettid 186, futex 202, epoll_wait 232, clock_gettime 228, epoll_ctl 233,"
    " openat 257, epoll_pwait 281, timerfd_settime 286, accept4 288, eventfd2 290, getrandom 318, statx 332, clone3 435"
)
_AARCH64 = (
    "read 63, write 64, close 57, fstat 80, lseek 62, mmap 222, mprotect 226, munmap 215, brk 214, rt_sigaction 134,"
    " rt_sigprocmask 135, ioctl 29, pread64 67, pwrite64 68, readv 65, writev 66, sched_yield 124, mremap 216, madvise 233,"
    " getpid 172, sendto 206, recvfrom 207, sendmsg 211, recvmsg 212, shutdown 210, getsockname 204, getpeername 205,"
    " setsockopt 208, getsockopt 209, clone 220, fcntl 25, gettimeofday 169, sigaltstack 132, gettid 178, futex 98,"
    " clock_gettime 113, epoll_ctl 21, openat 56, epoll_pwait 22, timerfd_settime 86, accept4 242, eventfd2 19, getrandom 278,"
    " statx 291, clone3 435"
)


def _table(text: str) -> dict[int, str]:
    pairs = (pair.split() for pair in text.split(","))
    return {int(number): name for name, number in pairs}


NAMES = {"x86_64": _table(_X86_64), "aarch64": _table(_AARCH64)}
"""The names of system calls by number, for each architecture. One that is not here is told by its number."""
