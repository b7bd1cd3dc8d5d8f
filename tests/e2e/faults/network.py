"""Machines of a test: network namespaces with one address each, and what goes wrong on the way between them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from tests.e2e.faults import wire

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT: Final = Path(__file__).parents[3]
CUT: Final = {"loss": 1.0}


def unavailable() -> str | None:
    """Say why this machine cannot have such a network, if it cannot."""
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            return f"there is no {program} on this machine"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "we may not open /dev/net/tun"
    tried = subprocess.run(
        [sys.executable, "-m", wire.__name__, "one"],
        input="",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return (
        None
        if tried.returncode == 0
        else f"we may not make network namespaces: {tried.stderr.strip().splitlines()[-1]}"
    )


class Network:
    """A network of machines with these names, as long as the block runs."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self._process = subprocess.Popen(
            [sys.executable, "-m", wire.__name__, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._in, self._out = _opened(self._process.stdin), _opened(self._process.stdout)
        self._namespaces = dict(zip(names, json.loads(self._out.readline()), strict=True))
        self._rules: dict[tuple[str, str], dict[str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        self._process.wait()
        self._out.close()

    def address(self, name: str) -> str:
        """Return where a machine is."""
        return wire.address(self.names.index(name))

    def through(self, name: str) -> tuple[str, ...]:
        """Return the words before a command that runs it on a machine."""
        return ("nsenter", f"--net={self._path(name)}", "--")

    @contextlib.contextmanager
    def entered(self, name: str) -> Iterator[None]:
        """Be on a machine while the block runs: this thread, and the threads and processes that it starts."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            with _path_opened(self._path(name)) as there:
                _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)

    def cut(self, minority: Collection[str], others: Collection[str] | None = None) -> None:
        """Let nothing through between some machines and others, or all others but `client`, who looks at it from outside."""
        self._degrade(minority, others, CUT)

    def lose(
        self, share: float, of: Collection[str], others: Collection[str] | None = None, *, seed: int = 1
    ) -> None:
        """Lose a share of the packets between some machines and others."""
        self._degrade(of, others, {"loss": share}, seed)

    def slow(self, of: Collection[str], *, delay: float, rate: float = 0.0) -> None:
        """Let everything to and from some machines take so many seconds one way, and pass only so many bytes a second."""
        self._degrade(of, None, {"delay": delay, "rate": rate})

    def heal(self) -> None:
        """Let everything through again."""
        self._rules.clear()
        self._tell(0)

    def _degrade(
        self, some: Collection[str], others: Collection[str] | None, rule: dict[str, float], seed: int = 0
    ) -> None:
        if others is None:
            others = [name for name in self.names if name not in some and name != "client"]
        for one in some:
            for other in others:
                if one != other:
                    self._rules[one, other] = self._rules[other, one] = rule
        self._tell(seed)

    def _tell(self, seed: int) -> None:
        at = self.names.index
        rules = [(at(source), at(target), rule) for (source, target), rule in self._rules.items()]
        self._in.write(json.dumps({"rules": rules, "seed": seed}) + "\n")
        self._in.flush()
        assert self._out.readline(), "the network has ended"

    def _path(self, name: str) -> str:
        return f"/proc/{self._process.pid}/fd/{self._namespaces[name]}"


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, wire.NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "cannot enter the namespace")


@contextlib.contextmanager
def _path_opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
