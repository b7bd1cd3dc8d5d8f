"""argparse, with our manners: errors in one form, the nearest valid option, examples below the help."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from wisp.errors import WispError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

USAGE = 2


class UsageError(WispError):
    """The command was not used as it must be, which its parser could not tell by itself."""

    exit_code = USAGE


class Parser(argparse.ArgumentParser):
    """The parser of one command."""

    @classmethod
    def of(cls, name: str, summary: str, examples: Sequence[tuple[str, str]]) -> Parser:
        """Return the parser of a command that has no arguments yet."""
        return cls(
            prog=f"wisp {name}",
            description=f"{summary}.",
            epilog=_examples(examples),
            formatter_class=_Help,
            allow_abbrev=False,
        )

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words, or end the program with a message that names the nearest option."""
        arguments, rest = self.parse_known_args(words)
        if rest:
            self._unexpected(rest[0])
        return arguments

    def _unexpected(self, text: str) -> NoReturn:
        word = text.partition("=")[0]
        known = list(_options(self))
        near = difflib.get_close_matches(word, known, n=1) if word.startswith("-") else []
        self.error(f"unexpected `{word}`" + (f", did you mean `{near[0]}`?" if near else ""))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words, and exit with 2."""
        print(f"error: {message}\n  hint: `{self.prog} --help` shows how it is used", file=sys.stderr)
        sys.exit(USAGE)


def add_commands(parser: argparse.ArgumentParser, commands: Mapping[str, Subcommand]) -> None:
    """Add commands of a command; the name of the one that is called is `arguments.command`."""
    below = parser.add_subparsers(
        dest="command",
        metavar="COMMAND",
        required=True,
        title="commands",
        help="each has a --help of its own",
    )
    for name, command in commands.items():
        command.configure(
            below.add_parser(
                name,
                help=command.summary,
                description=f"{command.summary}.",
                epilog=_examples(command.examples),
                formatter_class=_Help,
                allow_abbrev=False,
            )
        )


class Subcommand(NamedTuple):
    """One command of a command."""

    summary: str
    examples: tuple[tuple[str, str], ...]
    """Pairs of a command line and what it does."""

    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a command's commands, by name."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to look at a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def add_app(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add PATH, the one app that a command is about: the one in this folder when left out."""
    parser.add_argument("path", nargs="?", type=Path, default=Path(), metavar="PATH", help=meaning)


def add_registries(parser: argparse.ArgumentParser) -> None:
    """Add how OCI registries are reached."""
    group = parser.add_argument_group("registries")
    group.add_argument(
        "--insecure",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a registry that may be spoken to without encryption; may be repeated. This machine's own always may",
    )
    group.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates (PEM) that are trusted for registries too"
    )
    add_policy(group)


def add_policy(group: argparse._ArgumentGroup) -> None:
    """Add `--policy`: whose artifacts are trusted."""
    group.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="which keys are trusted for which names (default: ~/.config/wisp/policy.toml, then /etc/wisp/policy.toml;"
        " without either, all artifacts are)",
    )


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the examples as they are, and leaves room for `--long-options VALUE`."""

    def __init__(self, prog: str, **options: object) -> None:
        super().__init__(prog, max_help_position=32, **options)  # type: ignore[arg-type]


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001
        yield from action.option_strings
    for below in subparsers(parser).values():
        yield from _options(below)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    lines = ["examples:"]
    for line, meaning in examples:
        lines += [f"  {line}", f"      {meaning}"]
    return "\n".join(lines)


def variables(pairs: Iterable[str]) -> dict[str, str]:
    """Read `NAME=VALUE`, as `--variable` has it; names in lower case. Raises UsageError."""
    found: dict[str, str] = {}
    for text in pairs:
        name, equals, value = text.partition("=")
        if not (name and equals):
            message = f"--variable {text}: expected NAME=VALUE"
            raise UsageError(message)
        found[name.lower()] = value
    return found


def seconds(text: str, option: str) -> float:
    """Read "10s", "500ms" or plain seconds, as an option has them. Raises UsageError."""
    from wisp.manifest.units import parse_duration  # noqa: PLC0415 - the help does not need it

    try:
        return parse_duration(int(text) if text.isdecimal() else text).total_seconds()
    except ValueError as error:
        message = f"{option} {text}: {error}"
        raise UsageError(message) from error


def add_processes(group: argparse._ArgumentGroup) -> None:
    """Add the arguments of a host's processes: how many, where they are looked after, how they end."""
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="worker processes (default: one for each processor we may use)",
    )
    group.add_argument(
        "--admin",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="where health, readiness and metrics are (default: a free port of 127.0.0.1)",
    )
    group.add_argument("--no-admin", action="store_true", help="no health, readiness and metrics")
    group.add_argument(
        "--drain-timeout",
        default="10s",
        metavar="TIME",
        help="how long accepted requests may take at the end (default: %(default)s)",
    )


def add_logging(group: argparse._ArgumentGroup) -> None:
    """Add the arguments of a host's log."""
    group.add_argument("--no-access-log", action="store_true", help="no line for each request")
    group.add_argument(
        "--log-format", choices=("text", "json"), help="how log lines look (default: text on a terminal)"
    )
