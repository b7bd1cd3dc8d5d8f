"""`wisp wit`: reads, compares and fetches interface descriptions. One file per command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.cli.parser import Subcommand, add_commands
from wisp.cli.wit import check, dependencies, diff, init, show, stubs

if TYPE_CHECKING:
    import argparse

COMMANDS = {
    "show": Subcommand(
        "Print the WIT of a component or of a package, with everything resolved",
        (
            ("wisp wit show processor.wasm", "print what a component imports and exports"),
            ("wisp wit show wit --all", "print a package and, nested in it, those that it refers to"),
        ),
        show.configure,
        show.run,
    ),
    "check": Subcommand(
        "Check a component against a world",
        (
            ("wisp wit check processor.wasm wit", "check it against the only world of a package"),
            ("wisp wit check gateway.wasm wit --world gateway", "check it against one of several"),
        ),
        check.configure,
        check.run,
    ),
    "diff": Subcommand(
        "Say what changed, whom it breaks, and which version that asks for",
        (
            ("wisp wit diff old/wit wit", "exit with 1 when the new version promises more than it keeps"),
            ("wisp wit diff old.wasm new.wasm --json", "compare two components, for a program to read"),
            ("wisp wit diff old/wit wit --try", "build a component for each, and link them"),
        ),
        diff.configure,
        diff.run,
    ),
    "add": Subcommand(
        "Put packages, and those that they refer to, into wit/deps, and pin them in wit.lock",
        (
            ("wisp wit add ../shared/wit", "take them from a folder"),
            ("wisp wit add processor.wasm", "take what a component uses of them"),
            ("wisp wit add wasi:keyvalue", "take one that wisp has, to import what the host offers"),
            ("wisp wit add https://example.com/io.wasm#sha256:…", "fetch them; the digest decides"),
        ),
        dependencies.configure_add,
        dependencies.add,
    ),
    "lock": Subcommand(
        "Make wit/deps and wit.lock agree; nothing is fetched when they do",
        (
            ("wisp wit lock", "have again what is missing, pin what is new"),
            ("wisp wit lock --check", "change nothing; fail if something would change"),
        ),
        dependencies.configure_lock,
        dependencies.lock,
    ),
    "update": Subcommand(
        "Read the folders and files again that packages were taken from",
        (
            ("wisp wit update", "update all packages"),
            ("wisp wit update cyber:packets", "update one"),
        ),
        dependencies.configure_update,
        dependencies.update,
    ),
    "init": Subcommand(
        "Set a project up for the world in its folder `wit`: bindings, and code to begin with",
        (
            ("wisp wit init go", "bindings, and a function to fill in for each export"),
            ("wisp wit init typescript processor", "of the project in another folder"),
            ("wisp wit init c", "again after a change of the WIT: what you wrote is kept"),
        ),
        init.configure,
        init.run,
    ),
    "stubs": Subcommand(
        "Write the types of a component for Python, so that mypy and editors know it",
        (
            ("wisp wit stubs processor.wasm -o processor.pyi", "write what can be called, and with what"),
            ("wisp wit stubs wit --world gateway --sync", "of a world, with plain functions"),
        ),
        stubs.configure,
        stubs.run,
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `wisp wit`."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the command says."""
    return COMMANDS[arguments.command].run(arguments)
