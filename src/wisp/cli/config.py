"""`wisp config`: what an app of a lattice is configured with, in versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp.cli import configured, output, reach
from wisp.cli.parser import Subcommand, UsageError, add_commands
from wisp.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from wisp.lattice.commands.configuring import Version
    from wisp.lattice.configuration import Configuration
    from wisp.lattice.records import App
    from wisp.lattice.state import State
    from wisp.manifest.locked import LockedApp, LockedValue


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp config`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)


def _add_component(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--component", metavar="NAME", help="for this component only (default: for each that has the key)"
    )


def _configure_set(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument(
        "pairs", nargs="+", metavar="KEY=VALUE", help="a key of `grants.config`, and its value"
    )
    _add_component(parser)
    configured.add_change(parser)


def _set(arguments: argparse.Namespace) -> int:
    pairs = _pairs(arguments.pairs)
    progress = output.Progress(quiet=arguments.json)

    async def work(lattice: State) -> App:
        from wisp.lattice.commands import configuring, control  # noqa: PLC0415 - the help does not need it

        app, _ = await control.current(lattice, arguments.app)
        for note in _notes(await configured.locked(lattice, app), pairs, arguments.component):
            progress.say(f"note: {note}")
        return await configuring.change(
            lattice, arguments.app, lambda before: _with(before, pairs, arguments)
        )

    return configured.changed(arguments, work)


def _with(before: Configuration, pairs: dict[str, str], arguments: argparse.Namespace) -> Configuration:
    change = {"change": "set " + ", ".join(sorted(pairs)) + _for(arguments.component)}
    if arguments.component is None:
        return before.model_copy(update={"values": {**before.values, **pairs}, **change})
    own = {**before.components.get(arguments.component, {}), **pairs}
    return before.model_copy(update={"components": {**before.components, arguments.component: own}, **change})


def _notes(app: LockedApp, pairs: dict[str, str], component: str | None) -> Iterator[str]:
    """Say which keys nothing reads now. Raises LatticeError for a key that is a secret: its value would be readable."""
    for key in pairs:
        found = dict(_values(app, key, component))
        for name, value in found.items():
            if value.secret:
                message = f"the key {key} of component {name} is the secret {value.secret}"
                raise LatticeError(message, hint=f"`wisp secret set {app.name} {value.secret}`")
        if not found:
            where = f"component {component}" if component else "any component"
            yield f"{app.name} {app.version} has no key {key} in grants.config of {where}, so nothing reads it yet"


def _values(app: LockedApp, key: str, component: str | None) -> Iterator[tuple[str, LockedValue]]:
    for name, one in app.components.items():
        if component in {None, name} and key in one.grants.config:
            yield name, one.grants.config[key]


def _configure_unset(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument(
        "keys", nargs="+", metavar="KEY", help="what was set; what wisp.toml says counts again"
    )
    _add_component(parser)
    configured.add_change(parser)


def _unset(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> App:
        from wisp.lattice.commands import configuring  # noqa: PLC0415 - the help does not need it

        return await configuring.change(lattice, arguments.app, lambda before: _without(before, arguments))

    return configured.changed(arguments, work)


def _without(before: Configuration, arguments: argparse.Namespace) -> Configuration:
    keys, component = arguments.keys, arguments.component
    own = before.values if component is None else before.components.get(component, {})
    if missing := [key for key in keys if key not in own]:
        message = f"nobody has set {missing[0]}{_for(component)} in the configuration of {arguments.app}"
        raise LatticeError(message, hint=f"`wisp config list {arguments.app}` shows what was")
    left = {key: value for key, value in own.items() if key not in keys}
    change = {"change": "unset " + ", ".join(sorted(keys)) + _for(component)}
    if component is None:
        return before.model_copy(update={"values": left, **change})
    return before.model_copy(update={"components": {**before.components, component: left}, **change})


def _for(component: str | None) -> str:
    return f" for component {component}" if component else ""


def _configure_get(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument("key", metavar="KEY", help="the key")
    parser.add_argument("--component", metavar="NAME", help="of this component, where several have the key")
    configured.add_looking(parser)


def _get(arguments: argparse.Namespace) -> int:
    rows = [row for row in _listed(arguments) if row["key"] == arguments.key]
    rows = [row for row in rows if arguments.component in {None, row["component"]}]
    if not rows:
        message = f"no component of {arguments.app} has the key {arguments.key}"
        raise LatticeError(message, hint=f"`wisp config list {arguments.app}` lists them")
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    if len({(row["value"], row["secret"]) for row in rows}) > 1:
        names = ", ".join(str(row["component"]) for row in rows)
        message = f"{arguments.key} is not the same in each component"
        raise LatticeError(message, hint=f"--component says which one: {names}")
    if rows[0]["secret"]:
        message = f"{arguments.key} is the secret {rows[0]['secret']}, which nobody is told"
        raise LatticeError(message, hint=f"`wisp secret list {arguments.app}` says whether it is set")
    print(rows[0]["value"])
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    configured.add_looking(parser)


def _list(arguments: argparse.Namespace) -> int:
    rows = _listed(arguments)
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        cells = [(row["component"] or "-", str(row["key"]), str(row["from"]), _shown(row)) for row in rows]
        print("\n".join(output.columns([("COMPONENT", "KEY", "FROM", "VALUE"), *cells], indent=0)))
    else:
        print(f"{arguments.app} has no configuration")
    return 0


def _shown(row: dict[str, str | None]) -> str:
    return f"(secret {row['secret']})" if row["secret"] else str(row["value"])


def _listed(arguments: argparse.Namespace) -> list[dict[str, str | None]]:
    async def work(lattice: State) -> tuple[LockedApp, Configuration]:
        from wisp.lattice.commands import configuring, control  # noqa: PLC0415 - the help does not need it

        app, _ = await control.current(lattice, arguments.app)
        return await configured.locked(lattice, app), await configuring.read(lattice, app)

    app, configuration = reach.with_lattice(arguments, work)
    return [*_of_components(app, configuration), *_read_by_nothing(app, configuration)]


def _of_components(app: LockedApp, configuration: Configuration) -> Iterator[dict[str, str | None]]:
    for name, component in sorted(app.components.items()):
        for key, given in sorted(component.grants.config.items()):
            found = None if given.secret else configuration.value(name, key)
            value = given.value if given.template is None else given.template
            yield {
                "component": name,
                "key": key,
                "from": "wisp.toml" if found is None else "lattice",
                "value": value if found is None else found,
                "secret": given.secret,
            }


def _read_by_nothing(app: LockedApp, configuration: Configuration) -> Iterator[dict[str, str | None]]:
    for component, values in (("", configuration.values), *sorted(configuration.components.items())):
        for key, value in sorted(values.items()):
            if not dict(_values(app, key, component or None)):
                yield {
                    "component": component or None,
                    "key": key,
                    "from": "lattice, read by nothing",
                    "value": value,
                    "secret": None,
                }


def _configure_history(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    configured.add_looking(parser)


def _history(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> list[Version]:
        from wisp.lattice.commands import configuring  # noqa: PLC0415 - the help does not need it

        return await configuring.history(lattice, arguments.app)

    versions = reach.with_lattice(arguments, work)
    if arguments.json:
        print(json.dumps([_version(one) for one in versions], indent=2))
    elif versions:
        rows = [
            (
                str(one.configuration.version),
                configured.moment(one.configuration.at),
                one.configuration.change,
            )
            for one in versions
        ]
        print("\n".join(output.columns([("VERSION", "TIME", "CHANGE"), *rows], indent=0)))
    else:
        print(f"{arguments.app} was never configured here")
    return 0


def _version(one: Version) -> dict[str, object]:
    found = one.configuration
    return {
        **found.model_dump(include={"version", "at", "change", "values", "components"}),
        "secrets": sorted(found.secrets),
        "revision": one.revision,
    }


def _configure_rollback(parser: argparse.ArgumentParser) -> None:
    configured.add_app_name(parser)
    parser.add_argument(
        "--to", type=int, required=True, metavar="VERSION", help="a version of `wisp config history`"
    )
    configured.add_change(parser)


def _rollback(arguments: argparse.Namespace) -> int:
    async def work(lattice: State) -> App:
        from wisp.lattice.commands import configuring  # noqa: PLC0415 - the help does not need it

        return await configuring.rollback(lattice, arguments.app, arguments.to)

    return configured.changed(arguments, work)


def _pairs(texts: list[str]) -> dict[str, str]:
    """Read `KEY=VALUE`, each. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals) or "\0" in text:
            message = f"{text}: expected KEY=VALUE"
            raise UsageError(message)
        found[key] = value
    return found


COMMANDS = {
    "set": Subcommand(
        "Set values of an app's configuration, and wait until all its hosts have them",
        (
            ("wisp config set shop greeting=hello", "for each component that has the key"),
            ("wisp config set shop pages=20 --component search", "for one component"),
        ),
        _configure_set,
        _set,
    ),
    "get": Subcommand(
        "Print a value of an app's configuration",
        (("wisp config get shop greeting", "what was set, or what wisp.toml says"),),
        _configure_get,
        _get,
    ),
    "list": Subcommand(
        "List an app's configuration",
        (("wisp config list shop", "each key of each component, and where its value comes from"),),
        _configure_list,
        _list,
    ),
    "unset": Subcommand(
        "Let what wisp.toml says count again",
        (("wisp config unset shop greeting", "forget what was set"),),
        _configure_unset,
        _unset,
    ),
    "history": Subcommand(
        "List the versions of an app's configuration",
        (("wisp config history shop", "what was changed, and when"),),
        _configure_history,
        _history,
    ),
    "rollback": Subcommand(
        "Configure an app as it was in an earlier version, secrets too",
        (("wisp config rollback shop --to 3", "as a new version, which has what version 3 had"),),
        _configure_rollback,
        _rollback,
    ),
}
