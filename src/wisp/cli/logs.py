"""`wisp logs`: prints what the hosts of a lattice log, and goes on printing it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Final

from wisp.cli import output, reach
from wisp.cli.parser import UsageError
from wisp.errors import LatticeError
from wisp.host.lines import LEVELS, Text, parsed

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.commands.listening import Heard, Wanted
    from wisp.lattice.state import State

_PATIENCE: Final = 2.0
"""Seconds that hosts have to send what was before."""

_PAUSE: Final = 1.0
_NONE, _FOLLOWED = 100, 10
"""How many lines of each host are printed from before: when it ends with them, and when it goes on."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp logs`."""
    parser.add_argument("app", nargs="?", metavar="APP", help="only lines about this app (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines until Ctrl-C")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="only of this host; may be repeated"
    )
    parser.add_argument("--component", metavar="NAME", help="only lines about this component")
    parser.add_argument(
        "--level",
        choices=LEVELS,
        metavar="LEVEL",
        help=f"only lines that are at least so bad: {', '.join(LEVELS)}",
    )
    parser.add_argument(
        "--lines",
        type=int,
        metavar="N",
        help=f"how many lines from before, of each host (default: {_NONE}; with --follow {_FOLLOWED})",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, one object a line, with the host in it"
    )
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print lines, and end with those from before unless more are wanted."""
    from wisp.lattice.commands.listening import Wanted  # noqa: PLC0415 - the help does not need it

    if arguments.lines is not None and arguments.lines < 0:
        raise UsageError("--lines must be at least 0")
    recent = arguments.lines if arguments.lines is not None else _FOLLOWED if arguments.follow else _NONE
    wanted = Wanted(
        hosts=tuple(reach.name(host, "--host") for host in arguments.host),
        app=arguments.app,
        component=arguments.component,
        level=arguments.level,
        recent=recent,
    )
    asyncio.run(_follow(arguments, wanted) if arguments.follow else _once(arguments, wanted))
    return 0


async def _once(arguments: argparse.Namespace, wanted: Wanted) -> None:
    from wisp.lattice.state import State  # noqa: PLC0415 - the same

    async with reach.connected(arguments, name="wisp logs") as connection:
        lattice = await State.open(connection, reach.lattice_name(arguments))
        await _Printing(arguments, wanted).run(lattice, None)


async def _follow(arguments: argparse.Namespace, wanted: Wanted) -> None:
    """Print lines whenever NATS is there. Raises LatticeError when it was not there at the beginning."""
    from wisp.lattice.state import State  # noqa: PLC0415 - the same

    began = said = False
    while True:
        try:
            async with reach.connected(arguments, name="wisp logs") as connection:
                lattice = await State.open(connection, reach.lattice_name(arguments))
                began, said = True, False
                await _Printing(arguments, wanted).run(lattice, connection.over)
        except LatticeError:
            if not began:
                raise
        if not said:
            said = True
            print("note: NATS is away; lines until it is back are not heard", file=sys.stderr, flush=True)
        wanted = wanted.model_copy(update={"recent": 0})
        await asyncio.sleep(_PAUSE)


class _Printing:
    """Lines of hosts, on their way to standard output."""

    def __init__(self, arguments: argparse.Namespace, wanted: Wanted) -> None:
        self._wanted = wanted
        self._json: bool = arguments.json
        self._text = Text(color=output.coloured(sys.stdout))
        self._waiting: list[tuple[str, str, str]] | None = []
        """Lines from before, with their time and host, until all hosts have sent theirs."""

        self._answered: set[str] = set()
        self._expected: set[str] = set()
        self._complete = asyncio.Event()
        self._width = 0

    async def run(self, lattice: State, over: asyncio.Event | None) -> None:
        """Print what was before, in order; then what comes, until the connection is over."""
        from wisp.lattice.commands.control import view  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.commands.listening import listening  # noqa: PLC0415 - the same

        hosts = (await view(lattice)).hosts.keys()
        self._expected = {host for host in hosts if not self._wanted.hosts or host in self._wanted.hosts}
        self._width = max(map(len, self._expected), default=0)
        async with listening(lattice.requests, self._wanted, self._heard):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE if self._expected else 0):
                    await self._complete.wait()
            self._print_waiting()
            if over is not None:
                await over.wait()
        for host in sorted(self._expected - self._answered):
            print(f"note: no answer from host {host}", file=sys.stderr)

    def _heard(self, heard: Heard) -> None:
        if heard.first:
            self._answered.add(heard.host)
            if self._answered >= self._expected:
                self._complete.set()
        if heard.lost:
            print(
                f"note: host {heard.host} logs faster than it can be heard: {heard.lost} lines are missing",
                file=sys.stderr,
            )
        for line in heard.lines:
            if self._waiting is not None:
                found = parsed(line)
                self._waiting.append((str(found["time"]) if found else "", heard.host, line))
            else:
                self._print(heard.host, line)

    def _print_waiting(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for _, host, line in sorted(waiting, key=lambda one: one[0]):
            self._print(host, line)

    def _print(self, host: str, line: str) -> None:
        found = parsed(line)
        if self._json:
            fields = found if found is not None else {"message": line}
            print(json.dumps({"host": host, **fields}, ensure_ascii=False), flush=True)
            return
        try:
            text = line if found is None else self._text.write(found)
        except (LookupError, ValueError, TypeError):
            text = line
        print(f"{host:<{self._width}}  {text}", flush=True)
