"""The first screen of `wisp up`: what is served, where, and how long it took until then."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TypedDict, cast

import wisp
from wisp.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.cli.prepare import PreparedApp, PreparedComponent
    from wisp.host.service import Listening

_ANY = "ANY"
_START_TIME = 19
"""The place of the start time in /proc/PID/stat, counted behind the command's name."""


class _Route(TypedDict):
    route: str
    methods: list[str]
    hosts: list[str]
    component: str


class _Cron(TypedDict):
    schedule: str
    timezone: str
    component: str


class _Subscription(TypedDict):
    subject: str
    component: str


class Screen:
    """Shows what a host serves, once, on stderr."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._imported = time.monotonic()

    def listening(self, listening: Listening, apps: Sequence[PreparedApp]) -> None:
        """Show the screen: requests are answered from now on."""
        if not self._shown:
            return
        took = output.duration(_since_start(self._imported))
        lines = ["", f"  {output.paint(f'wisp {wisp.__version__}', 'bold', stream=sys.stderr)}", ""]
        for app in apps:
            lines += [*output.columns(_rows(app), indent=2), ""]
            if app.links:
                lines += [*output.columns(output.link_rows(app.links), indent=2), ""]
        url = output.paint(listening.url, "cyan", stream=sys.stderr)
        workers = "1 worker" if listening.workers == 1 else f"{listening.workers} workers"
        lines.append(f"  {url}  ready in {took}, {workers}")
        if listening.admin is not None:
            lines.append(f"  admin  {listening.admin}/.well-known/wisp/health")
        print("\n".join([*lines, ""]), file=sys.stderr, flush=True)


def _rows(app: PreparedApp) -> Iterator[tuple[str, ...]]:
    components = {component.name: component for component in app.components}
    for route in cast("Sequence[_Route]", app.locked["http"]):
        methods = ",".join(route["methods"]) or _ANY
        hosts = ",".join(route["hosts"])
        yield methods, hosts + route["route"], *_cells(components[route["component"]])
    for cron in cast("Sequence[_Cron]", app.locked["cron"]):
        when = f"{cron['schedule']}  {cron['timezone']}"
        yield "CRON", when, *_cells(components[cron["component"]])
    for one in cast("Sequence[_Subscription]", app.locked.get("messaging", ())):
        yield "MESSAGE", one["subject"], *_cells(components[one["component"]])


def _cells(component: PreparedComponent) -> tuple[str, str, str]:
    made = "" if component.language is None else component.language
    if not component.cached:
        verb = "built" if component.language else "fetched"
        made = f"{made} {verb} in {output.duration(component.seconds)}".strip()
    return component.name, output.size(component.size), made


def _since_start(imported: float) -> float:
    """Return the seconds since this process started, or since our import where the system does not tell."""
    since_import = time.monotonic() - imported
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib is not loaded for this
            fields = file.read().rpartition(")")[2].split()
        started = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return max(since_import, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):
        return since_import
