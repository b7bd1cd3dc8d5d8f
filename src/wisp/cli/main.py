"""The program `wisp`: finds the command, hands it its arguments, and answers for what comes out.

It is on the way of every start of `wisp up`, which has to answer its first request a moment later. So it is a small
frame around argparse that imports one command, the one that was asked for; `--version` needs not even that
(decision 004 has the measurements). A command is a module below `wisp.cli` with two functions:
`configure(parser)` adds its arguments, and `run(arguments)` does it and returns the exit code.

Exit codes: 0, 1 for what the user can act upon, 2 for wrong usage, 130 for Ctrl-C, 70 for a fault of our own.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import wisp

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from wisp.cli.parser import Parser

USAGE = 2
INTERRUPTED = 130


class Command(NamedTuple):
    """One command: what is known of it without importing it."""

    name: str
    summary: str
    examples: tuple[tuple[str, str], ...]
    """Pairs of a command line and what it does."""


COMMANDS = (
    Command(
        "new",
        "Start a new app from a template",
        (
            ("wisp new", "ask for what is needed"),
            ("wisp new hello --template http-python", "make the folder hello with a service in Python"),
        ),
    ),
    Command(
        "build",
        "Build the components of an app",
        (
            ("wisp build", "build all components of the app in this folder"),
            ("wisp build examples/polyglot rust go", "build two components of another app"),
            ("wisp build --json", "print digests and sizes for a program to read"),
        ),
    ),
    Command(
        "up",
        "Build and serve apps",
        (
            ("wisp up", "serve the app in this folder at http://127.0.0.1:3000"),
            ("wisp up --watch --dev", "build quickly, and again after each change"),
            ("wisp up hello.wasm --listen 0.0.0.0:8080 --workers 4", "serve one component at every path"),
            ("wisp up ghcr.io/acme/shop:1.2", "serve an app of an OCI registry"),
        ),
    ),
    Command(
        "push",
        "Put an app, or a component, into an OCI registry",
        (
            (
                "wisp push . ghcr.io/acme/shop:1.2",
                "build the app in this folder, and push it with all that it needs",
            ),
            (
                "wisp push auth.wasm ghcr.io/acme/auth:1.0",
                "one component, as other tools push and pull it too",
            ),
            ("wisp push . ghcr.io/acme/auth:1.0 --component auth", "one component of an app"),
        ),
    ),
    Command(
        "pull",
        "Get an app, or a component, from an OCI registry",
        (
            ("wisp pull ghcr.io/acme/shop:1.2", "into the new folder shop, to look at it or change it"),
            ("wisp pull ghcr.io/acme/auth:1.0 -o auth.wasm", "a component, as a file"),
        ),
    ),
    Command(
        "sbom",
        "Print what is in an app, as a bill of materials (CycloneDX)",
        (
            ("wisp sbom", "build the app in this folder, and list components and packages"),
            ("wisp sbom ghcr.io/acme/shop:1.2 -o shop.cdx.json", "what was pushed with it"),
        ),
    ),
    Command(
        "sign",
        "Sign an app, or a component, of an OCI registry",
        (
            ("wisp sign ghcr.io/acme/shop:1.2 --key acme.key", "say that this is what we have pushed"),
            ("COSIGN_PASSWORD=... wisp sign REF --key acme.key", "where nobody sits at a terminal"),
        ),
    ),
    Command(
        "verify",
        "Say who has signed an app, or a component, of an OCI registry",
        (
            ("wisp verify ghcr.io/acme/shop:1.2 --key acme.pub", "exit with 1 if it was not this key"),
            ("wisp verify ghcr.io/acme/shop:1.2", "with the keys that this machine's policy trusts for it"),
        ),
    ),
    Command(
        "key",
        "Make and show the keys that sign artifacts",
        (
            ("wisp key new acme", "write acme.key and acme.pub, as cosign does"),
            ("wisp key show acme.pub", "print its fingerprint"),
        ),
    ),
    Command(
        "cron",
        "Show when components run by the clock, or run one now",
        (
            ("wisp cron list", "the schedules of the app in this folder, and when they come next"),
            ("wisp cron run cleanup", "run a component once, now, as its schedule would"),
        ),
    ),
    Command(
        "store",
        "Show, back up, restore and check the stores of an app",
        (
            ("wisp store list", "what the app in this folder has"),
            ("wisp store export keyvalue/default -o backup.jsonl", "write one out, while the app runs"),
            ("wisp store import backup.jsonl --replace", "put it back"),
            ("wisp store check", "say what is wrong, and exit with 1 if something is"),
        ),
    ),
    Command(
        "lattice",
        "Start a lattice (NATS and a first host), or restore what it has lost",
        (
            ("wisp lattice up", "start both on this machine; `wisp deploy` finds them"),
            ("wisp lattice up --http 0.0.0.0:8080 --nats-listen 0.0.0.0:4222", "let other machines in"),
        ),
    ),
    Command(
        "host",
        "Run a host of a lattice",
        (
            ("wisp host --name berlin-1 --label zone=eu", "join the lattice that runs on this machine"),
            (
                "wisp host --nats nats://TOKEN@10.0.0.1:4222 --http 0.0.0.0:8080",
                "join one that runs elsewhere",
            ),
        ),
    ),
    Command(
        "deploy",
        "Build an app and run it in a lattice",
        (
            ("wisp deploy", "the app in this folder, on one host"),
            ("wisp deploy --replicas 3 --spread zone", "on three hosts, in as many zones as there are"),
            ("wisp deploy shop --replicas per-host --require gpu=yes", "on each host that has this label"),
            ("wisp deploy ghcr.io/acme/shop:1.2", "an app of an OCI registry"),
            ("wisp deploy --canary 10%", "give a new version a tenth of the requests at first"),
        ),
    ),
    Command(
        "promote",
        "Give the canary of an app of a lattice all requests",
        (
            (
                "wisp promote shop",
                "the version that was deployed with --canary takes over from the one before",
            ),
        ),
    ),
    Command(
        "apps",
        "List the apps of a lattice",
        (("wisp apps", "what was deployed, and what runs"), ("wisp apps --json", "the same for a program")),
    ),
    Command(
        "app",
        "Show one app of a lattice, on each of its hosts",
        (
            ("wisp app shop", "what was wanted, what runs where, and what went wrong"),
            ("wisp app shop --history", "the versions that it has had, and why some were gone back to"),
        ),
    ),
    Command(
        "hosts",
        "List the hosts of a lattice",
        (("wisp hosts", "who is there, and what each runs"), ("wisp hosts --json", "the same for a program")),
    ),
    Command(
        "logs",
        "Print what the hosts of a lattice log",
        (
            ("wisp logs shop -f", "all lines about an app, on all hosts, until Ctrl-C"),
            ("wisp logs -f --level warning --json", "what goes wrong anywhere, for a program"),
        ),
    ),
    Command(
        "top",
        "Show how busy the hosts and apps of a lattice are",
        (
            ("wisp top", "requests, latency, errors, memory and refusals, until Ctrl-C"),
            ("wisp top --once --json", "once, for a program"),
        ),
    ),
    Command(
        "scale",
        "Change on how many hosts an app runs, and on which",
        (
            ("wisp scale shop --replicas 5", "run it on five hosts"),
            (
                "wisp scale shop --spread zone --require gpu=yes",
                "say which hosts, and spread it over their zones",
            ),
        ),
    ),
    Command(
        "rollback",
        "Go back to an earlier version of an app of a lattice",
        (
            ("wisp rollback shop", "the version before the one that is wanted now"),
            ("wisp rollback shop --to 3", "that of revision 3; its replicas and labels stay as they are"),
        ),
    ),
    Command(
        "config",
        "Configure an app of a lattice",
        (
            (
                "wisp config set shop greeting=hello",
                "all its hosts have it within seconds, or it says which have not",
            ),
            ("wisp config list shop", "each key, and where its value comes from"),
            ("wisp config history shop", "what was changed, and when"),
        ),
    ),
    Command(
        "secret",
        "Set secrets of an app of a lattice, which only its hosts can open",
        (
            ("wisp secret set shop API_TOKEN", "ask for it"),
            ("pass show api | wisp secret set shop API_TOKEN", "read it from standard input"),
            ("wisp secret list shop", "which there are, and which are set"),
        ),
    ),
    Command(
        "delete",
        "Remove an app from a lattice",
        (("wisp delete shop", "stop it on all hosts"),),
    ),
    Command(
        "drain",
        "Have all apps leave a host of a lattice",
        (
            ("wisp drain berlin-1", "wait until others run all that it ran"),
            ("wisp drain berlin-1 --undo", "let apps come back to it"),
        ),
    ),
    Command(
        "compose",
        "Write an app, or several components, as one component",
        (
            ("wisp compose -o app.wasm", "the app in this folder, with all that is linked"),
            (
                "wisp compose gateway.wasm processor.wasm -o app.wasm",
                "the first, its imports answered by the second",
            ),
        ),
    ),
    Command(
        "run",
        "Run a WebAssembly program",
        (
            ("wisp run tool.wasm --verbose input.txt", "what follows the file belongs to the program"),
            ("wisp run --dir .::/data:ro --env LANG=C tool.wasm", "let it read this folder as /data"),
        ),
    ),
    Command(
        "inspect",
        "Show what a component, or an app, imports, exports and is made of",
        (
            ("wisp inspect processor.wasm", "show it as a tree"),
            ("wisp inspect", "build the app in this folder, and show its components"),
            ("wisp inspect examples/polyglot --graph svg > app.svg", "draw a picture of it"),
        ),
    ),
    Command(
        "explain",
        "Say what each component of an app may do, and why",
        (
            ("wisp explain", "all components of the app in this folder"),
            ("wisp explain api --needs", "the grants that one of them needs, to paste into wisp.toml"),
        ),
    ),
    Command(
        "wit",
        "Read, compare and fetch interface descriptions (WIT)",
        (
            ("wisp wit show processor.wasm", "print what a component imports and exports"),
            ("wisp wit diff wit/v1 wit/v2", "say what changed, whom it breaks, which version it asks for"),
            ("wisp wit add ../shared/wit", "put a package into wit/deps, and pin it"),
        ),
    ),
    Command(
        "call",
        "Call a function of a component",
        (
            ("wisp call adder.wasm test:add/calculator.add 1 2", "numbers are written as they are"),
            ("wisp call echo.wasm test:echo/echo.text '\"hello\"'", "strings need their quotes"),
            ('wisp call app api.store \'{id: "a1", tags: ["x"]}\' --json', "a record in, JSON out"),
        ),
    ),
    Command(
        "convert",
        "Write the wisp.toml that a spin.toml means",
        (
            (
                "wisp convert",
                "write wisp.toml beside the spin.toml in this folder, and list what has no equal",
            ),
            ("wisp convert ../shop/spin.toml --output -", "print it"),
        ),
    ),
    Command(
        "doctor",
        "Check this machine: tools, limits, port, cache",
        (
            ("wisp doctor", "say what is missing, and how to mend it"),
            ("wisp doctor --json", "the same for a program"),
        ),
    ),
    Command(
        "cache",
        "Show or prune what wisp keeps on disk",
        (
            ("wisp cache", "show how much is kept, by kind"),
            ("wisp cache prune --older-than 30d", "delete what was not used for a month"),
        ),
    ),
    Command(
        "schema",
        "Print the JSON Schema of wisp.toml",
        (("wisp schema --output wisp.schema.json", "write it for an editor to complete by"),),
    ),
    Command(
        "completion",
        "Print the completion script of a shell",
        (
            ("wisp completion bash > ~/.local/share/bash-completion/completions/wisp", "bash"),
            ('wisp completion zsh > "${fpath[1]}/_wisp"', "zsh"),
            ("wisp completion fish > ~/.config/fish/completions/wisp.fish", "fish"),
        ),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - the one place that answers for every error
        from wisp.cli import errors  # noqa: PLC0415 - only when something went wrong

        return errors.show(error)
    finally:
        if argv is None:
            # At its end the interpreter would look for garbage among all that was ever imported, which takes it a tenth of a second.
            gc.freeze()
    return code


def parser_for(name: str) -> Parser:
    """Return the parser of one command, with its arguments, its help and its examples."""
    command = next(command for command in COMMANDS if command.name == name)
    return _parser(command)[0]


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        return _help(words)
    if words[0] in {"-V", "--version"}:
        print(f"wisp {wisp.__version__}")
        return 0
    for command in COMMANDS:
        if command.name == words[0]:
            parser, module = _parser(command)
            arguments = parser.parse(words[1:])
            return int(module.run(arguments))
    return _unknown(words[0])


class _Module(Protocol):
    """What main wants of a command's module."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def _parser(command: Command) -> tuple[Parser, _Module]:
    from importlib import import_module  # noqa: PLC0415 - not needed for --version

    from wisp.cli.parser import Parser  # noqa: PLC0415 - not needed for --version

    module = cast("_Module", import_module(f"wisp.cli.{command.name}"))
    parser = Parser.of(command.name, command.summary, command.examples)
    module.configure(parser)
    return parser, module


def _help(words: list[str]) -> int:
    if words[:1] == ["help"] and len(words) > 1:
        if words[1] not in {command.name for command in COMMANDS}:
            return _unknown(words[1])
        parser_for(words[1]).print_help()
        return 0
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        "usage: wisp COMMAND [...]",
        "",
        "Build and serve microservices that are WebAssembly components.",
        "",
        "commands:",
        *(f"  {command.name:{width}}  {command.summary}" for command in COMMANDS),
        "",
        "options:",
        "  -h, --help     Show this help; `wisp COMMAND --help` shows a command's",
        "  -V, --version  Show the version",
        "",
        "examples:",
        "  wisp new hello --template http-python",
        "  cd hello && wisp up",
    ]
    print("\n".join(lines))
    return 0


def _unknown(word: str) -> int:
    import difflib  # noqa: PLC0415 - only when something went wrong

    near = difflib.get_close_matches(word, [command.name for command in COMMANDS], n=1)
    what = "option" if word.startswith("-") else "command"
    hint = f"did you mean `wisp {near[0]}`?" if near else "`wisp --help` lists the commands"
    print(f"error: there is no {what} `{word}`\n  hint: {hint}", file=sys.stderr)
    return USAGE


def _prepare_streams() -> None:
    """See to it that printing works: where a stream was closed, and with names that are not of its encoding."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as we run
        elif hasattr(stream, "reconfigure"):
            # A path may have any bytes, and they go out as they came in; other encodings have not our arrows and lines.
            unicode = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def _abandon_stdout() -> None:
    """Let the interpreter flush into nothing at exit: whoever read our output went away."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
