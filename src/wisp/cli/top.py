"""`wisp top`: shows how busy the hosts and apps of a lattice are, and goes on showing it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from wisp.cli import output, reach
from wisp.cli.parser import UsageError, seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.table import Table

    from wisp.lattice.commands.rates import Rate
    from wisp.lattice.commands.samples import Sample
    from wisp.lattice.state import State

_HEADS = ("REQUESTS/S", "LATENCY", "ERRORS/S", "ACTIVE", "REFUSED")


@dataclass(frozen=True, slots=True)
class Picture:
    """Hosts and apps, for a while."""

    hosts: Sequence[Rate]
    apps: Sequence[Rate]
    silent: Sequence[str]
    """Hosts that are there and did not answer in time."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp top`."""
    parser.add_argument(
        "--interval", default="2s", metavar="TIME", help="what a rate is measured over (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="print it once, and end")
    parser.add_argument(
        "--json", action="store_true", help="print JSON: one object, with --once, or one a line"
    )
    reach.add_reach(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it until Ctrl-C, or once."""
    interval = seconds(arguments.interval, "--interval")
    if interval <= 0:
        raise UsageError("--interval must be longer than nothing")

    async def work(lattice: State) -> None:
        if arguments.once or arguments.json:
            await _print(lattice, interval, once=arguments.once, as_json=arguments.json)
        else:
            await _live(lattice, interval)

    reach.with_lattice(arguments, work)
    return 0


class _Measuring:
    """Samples, one after the other."""

    def __init__(self, lattice: State) -> None:
        self._lattice = lattice
        self._before: dict[str, Sample] = {}

    async def picture(self) -> Picture:
        from wisp.lattice.commands import rates, samples  # noqa: PLC0415 - the help does not need it
        from wisp.lattice.commands.control import view  # noqa: PLC0415 - the same

        hosts = (await view(self._lattice)).hosts
        after = await samples.gather(self._lattice, hosts)
        before, self._before = self._before, after
        silent = sorted(hosts.keys() - after.keys())
        return Picture(rates.by_host(before, after), rates.by_app(before, after), silent)


async def _print(lattice: State, interval: float, *, once: bool, as_json: bool) -> None:
    measuring = _Measuring(lattice)
    await measuring.picture()  # there is nothing yet to compare it with
    while True:
        await asyncio.sleep(interval)
        picture = await measuring.picture()
        if as_json:
            print(json.dumps(asdict(picture), indent=2 if once else None), flush=True)
        else:
            print("\n".join(_text(picture)), flush=True)
        if once:
            return


async def _live(lattice: State, interval: float) -> None:
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415 - the same

    measuring = _Measuring(lattice)
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            picture = await measuring.picture()
            silent = f"no answer from {', '.join(picture.silent)}" if picture.silent else ""
            live.update(
                Group(_table("HOST", picture.hosts), "", _table("APP", picture.apps), silent), refresh=True
            )
            await asyncio.sleep(interval)


def _table(kind: str, rates: Sequence[Rate]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - slow to import

    table = Table(kind, *(_heads(kind)), box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for rate in rates:
        style = "red" if rate.errors else "yellow" if rate.refusals else None
        table.add_row(*_cells(kind, rate), style=style)
    return table


def _text(picture: Picture) -> list[str]:
    lines = []
    for kind, rates in (("HOST", picture.hosts), ("APP", picture.apps)):
        rows = [(kind, *_heads(kind)), *(_cells(kind, rate) for rate in rates)]
        lines += [*output.columns(rows, indent=0), ""]
    lines += [f"no answer from {host}" for host in picture.silent]
    return lines[:-1] if not picture.silent else lines


def _heads(kind: str) -> tuple[str, ...]:
    return (*_HEADS, "MEMORY" if kind == "HOST" else "HOSTS")


def _cells(kind: str, rate: Rate) -> tuple[str, ...]:
    latency = "-" if rate.latency_ms is None else f"{rate.latency_ms:.2f} ms"
    last = output.size(rate.memory or 0) if kind == "HOST" else str(rate.hosts)
    return (
        rate.name,
        f"{rate.requests:.1f}",
        latency,
        f"{rate.errors:.1f}",
        str(rate.active),
        str(rate.refusals),
        last,
    )
