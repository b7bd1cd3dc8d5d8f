"""`wisp secret`: secrets of an app of a lattice, which only hosts that may run it can open."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import configured, output, reach
from wisp.cli.parser import Subcommand, UsageError, add_commands
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse

    from wisp.lattice.configuration import Configuration
    from wisp.lattice.records import App
    from wisp.lattice.state import State
    from wisp.manifest.locked import LockedApp


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp secret`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument("name", metavar="NAME", help="the secret's name, as the app has it")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="read the value from a file (default: standard input, which is asked for on a terminal)",
    )
    configured.add_change(parser)


def _set(arguments: argparse.Namespace) -> int:
    value = _value(arguments.name, arguments.file)
    progress = output.Progress(quiet=arguments.json)

    async def work(lattice: State) -> App:
        from wisp.lattice.commands import configuring, control  # noqa: PLC0415 - the help does not need it

        app, _ = await control.current(lattice, arguments.app)
        if arguments.name not in (known := await configured.locked(lattice, app)).secrets:
            progress.say(f"note: {known.name} {known.version} names no secret {arguments.name} yet")
        return await configuring.set_secret(lattice, arguments.app, arguments.name, value)

    return configured.changed(arguments, work)


def _value(name: str, file: Path | None) -> str:
    """Read a secret: from a file, from a terminal without showing it, or from standard input. Raises UsageError."""
    from wisp.host.secrets import LONGEST  # noqa: PLC0415 - the help does not need it

    if file is not None:
        try:
            with file.open("rb") as stream:
                content = stream.read(LONGEST + 1)
        except OSError as error:
            message = f"cannot read {file}: {error.strerror}"
            raise UsageError(message) from error
    elif sys.stdin.isatty():
        import getpass  # noqa: PLC0415 - only on a terminal

        content = getpass.getpass(f"{name}: ").encode()
    else:
        content = sys.stdin.buffer.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise UsageError("a secret has at most 1 MiB")
    try:
        text = content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        # The error has the bytes in it.
        raise UsageError("a secret is text, in UTF-8") from None
    if not text:
        raise UsageError("the secret is empty")
    return text


def _configure_unset(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument("name", metavar="NAME", help="the secret's name")
    configured.add_change(parser)


def _unset(arguments: argparse.Namespace) -> int:
    def without(before: Configuration) -> Configuration:
        if arguments.name not in before.secrets:
            message = f"nobody has set the secret {arguments.name} of {arguments.app}"
            raise LatticeError(message, hint=f"`wisp secret list {arguments.app}` shows what was")
        left = {name: secret for name, secret in before.secrets.items() if name != arguments.name}
        return before.model_copy(update={"secrets": left, "change": f"unset the secret {arguments.name}"})

    async def work(lattice: State) -> App:
        from wisp.lattice.commands import configuring  # noqa: PLC0415 - the help does not need it

        return await configuring.change(lattice, arguments.app, without)

    return configured.changed(arguments, work)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    configured.add_looking(parser)


def _list(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> tuple[LockedApp, Configuration]:
        from wisp.lattice.commands import configuring, control  # noqa: PLC0415 - the help does not need it

        app, _ = await control.current(lattice, arguments.app)
        return await configured.locked(lattice, app), await configuring.read(lattice, app)

    rows = _listed(*reach.with_lattice(arguments, work))
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        cells = [(str(row["name"]), str(row["set"] or "-"), str(row["from"])) for row in rows]
        print("\n".join(output.columns([("NAME", "SET", "COMES FROM"), *cells], indent=0)))
    else:
        print(f"{arguments.app} has no secrets")
    return 0


def _listed(app: LockedApp, configuration: Configuration) -> list[dict[str, str | None]]:
    """Return the secrets that an app names, and those that were set; nobody is told a value."""
    otherwise = dict(configured.secrets_of(app))
    found: list[dict[str, str | None]] = []
    for name in sorted(otherwise.keys() | configuration.secrets.keys()):
        secret = configuration.secrets.get(name)
        where = otherwise.get(name, "")
        if secret is not None:
            where = "the lattice" if name in app.secrets else "the lattice, read by nothing"
        found.append({"name": name, "set": configured.moment(secret.at) if secret else None, "from": where})
    return found


COMMANDS = {
    "set": Subcommand(
        "Set a secret of an app, and wait until all its hosts have it",
        (
            ("wisp secret set shop API_TOKEN", "ask for it"),
            ("pass show api | wisp secret set shop API_TOKEN", "read it from standard input"),
            ("wisp secret set shop api-token --file token.txt", "read it from a file"),
        ),
        _configure_set,
        _set,
    ),
    "list": Subcommand(
        "List the secrets of an app, and whether they are set; never a value",
        (("wisp secret list shop", "names, when they were set, and where they come from"),),
        _configure_list,
        _list,
    ),
    "unset": Subcommand(
        "Let a secret come from where wisp.toml says again",
        (("wisp secret unset shop API_TOKEN", "forget what was set"),),
        _configure_unset,
        _unset,
    ),
}
