"""`wisp call`: calls one exported function of a component, and prints its result.

Arguments are read as WAVE, the component model's notation, or as JSON; the result is printed as WAVE, or as JSON when that
is asked for. The component may use clocks, random numbers and its output, and nothing else.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli.parser import UsageError

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp call`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--component", metavar="NAME", help="which one of an app that has several")
    parser.add_argument("--env", action="append", default=[], metavar="K=V", help="a variable that it sees")
    parser.add_argument(
        "--memory", default="256MiB", metavar="SIZE", help="the most that it may have (256MiB)"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="the longest that it may take (30)"
    )
    parser.add_argument("source", type=Path, metavar="FILE|APP", help="a component, or the folder of an app")
    parser.add_argument(
        "function", metavar="INTERFACE.FUNCTION", help="what to call; the version may be left out"
    )
    parser.add_argument(
        "arguments", nargs="*", default=[], metavar="ARGS", help="its arguments, in WAVE or JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Call the function, and print its result."""
    import wisp.sync  # noqa: PLC0415 - the core is loaded when it is needed
    from wisp.host.embed.invoke import Invocation  # noqa: PLC0415

    environment = dict(_variable(text) for text in arguments.env)
    try:
        limits = wisp.Limits(memory=arguments.memory, timeout=arguments.timeout)
    except ValueError as error:
        message = f"--{error}"
        raise UsageError(message) from None
    with wisp.sync.Host() as host:
        component = host.load_alone(arguments.source, component=arguments.component)
        invocation = Invocation.of(component, arguments.function, arguments.arguments)
        with component.instantiate(limits=limits, environment=environment) as instance:
            # Ctrl-C ends the process while the guest runs: an interpreter that waits in foreign code would notice too late.
            previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                result = invocation.run(instance, as_json=arguments.json)
            finally:
                signal.signal(signal.SIGINT, previous)
    if result is not None:
        print(result)
    return 0


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        message = f"--env takes NAME=VALUE, not `{text}`"
        raise UsageError(message)
    return name, value
