"""`wisp completion`: scripts for three shells, written from the parsers of the commands.

The scripts are static: a shell that completes `wisp up --l` starts no Python. They are made anew by each version.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import wisp
from wisp.cli import main
from wisp.cli.parser import subparsers

_BASH = """\
# bash completion for wisp {version}
_wisp() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "{names} --help --version" -- "$current")
        return
    fi
    case "${{COMP_WORDS[1]}} $previous" in
{values}
    esac
    if [[ $current == -* ]]; then
        case ${{COMP_WORDS[1]}} in
{options}
        esac
        return
    fi
    case ${{COMP_WORDS[1]}} in
{words}
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}}
complete -o filenames -o bashdefault -F _wisp wisp
"""

_ZSH = """\
#compdef wisp
# zsh completion for wisp {version}
_wisp() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
{commands}
    esac
}}
if [[ $funcstack[1] == _wisp ]]; then _wisp "$@"; else compdef _wisp wisp; fi
"""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command, or one place for a word when it has no flags."""

    flags: tuple[str, ...]
    summary: str
    takes_value: bool
    choices: tuple[str, ...]
    repeated: bool
    optional: bool
    is_path: bool


_FILES = Option(
    flags=(), summary="file", takes_value=True, choices=(), repeated=True, optional=False, is_path=True
)
"""What follows the name of a command's command: mostly files."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp completion`."""
    parser.add_argument("shell", metavar="SHELL", choices=sorted(SHELLS), help="bash, fish or zsh")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SHELLS[arguments.shell](_commands()), end="")
    return 0


def bash(commands: dict[str, list[Option]]) -> str:
    """Return the script for bash."""
    values, options, words = [], [], []
    for name, entries in commands.items():
        flags = [flag for entry in entries for flag in entry.flags]
        options.append(f"            {name}) {_reply('-W', ' '.join(flags))} ;;")
        for entry in entries:
            if entry.flags and entry.takes_value:
                pattern = "|".join(f'"{name} {flag}"' for flag in entry.flags)
                values.append(f"        {pattern}) {_bash_value(entry)}; return ;;")
            elif entry.choices:
                reply = _reply("-W", " ".join(entry.choices))
                # A command's command is its first word; files follow.
                first = (
                    f"[[ $COMP_CWORD -eq 2 ]] && {reply} || {_reply('-f', '')}"
                    if _FILES in entries
                    else reply
                )
                words.append(f"        {name}) {first} ;;")
    return _BASH.format(
        version=wisp.__version__,
        names=" ".join(commands),
        values="\n".join(values),
        options="\n".join(options),
        words="\n".join(words),
    )


def zsh(commands: dict[str, list[Option]]) -> str:
    """Return the script for zsh."""
    summaries = {command.name: command.summary for command in main.COMMANDS}
    names = "\n".join(f"        {_quoted(f'{name}:{summaries[name]}')}" for name in commands)
    blocks = []
    for name, entries in commands.items():
        lines = [f"        {name}) shift words; (( CURRENT-- )); _arguments -S"]
        lines += [f"            {specification}" for entry in entries for specification in _zsh_option(entry)]
        blocks.append(" \\\n".join(lines) + " ;;")
    return _ZSH.format(version=wisp.__version__, names=names, commands="\n".join(blocks))


def fish(commands: dict[str, list[Option]]) -> str:
    """Return the script for fish."""
    summaries = {command.name: command.summary for command in main.COMMANDS}
    lines = [f"# fish completion for wisp {wisp.__version__}"]
    lines.append("complete -c wisp -n __fish_use_subcommand -s V -l version -d 'Show the version'")
    lines += [
        f"complete -c wisp -f -n __fish_use_subcommand -a {name} -d {_quoted(summaries[name])}"
        for name in commands
    ]
    for name, entries in commands.items():
        lines += [_fish_option(name, entry) for entry in entries if entry.flags or entry.choices]
    return "\n".join(lines) + "\n"


SHELLS = {"bash": bash, "fish": fish, "zsh": zsh}


def _commands() -> dict[str, list[Option]]:
    return {command.name: _all(main.parser_for(command.name)) for command in main.COMMANDS}


def _all(parser: argparse.ArgumentParser) -> list[Option]:
    """Return the options of a command; and those of all its commands together, each once."""
    options = _options(parser)
    below = [option for command in subparsers(parser).values() for option in _options(command)]
    for option in below:
        if option.flags and not any(set(option.flags) & set(known.flags) for known in options):
            options.append(option)
    if below:
        options.append(_FILES)
    return options


def _options(parser: argparse.ArgumentParser) -> list[Option]:
    return [_option(action) for action in parser._actions]  # noqa: SLF001 - there is no public way to look


def _option(action: argparse.Action) -> Option:
    return Option(
        flags=tuple(action.option_strings),
        summary=(action.help or "") % {"default": action.default},
        takes_value=action.nargs != 0,
        choices=tuple(str(choice) for choice in action.choices or ()),
        repeated=action.nargs in {"*", "+", argparse.REMAINDER} or type(action).__name__ == "_AppendAction",
        optional=action.nargs == "?",
        is_path=action.type is Path,
    )


def _bash_value(entry: Option) -> str:
    if entry.choices:
        return _reply("-W", " ".join(entry.choices))
    return _reply("-f", "") if entry.is_path else ":"


def _reply(kind: str, words: str) -> str:
    argument = f'-W "{words}"' if kind == "-W" else kind
    return f'mapfile -t COMPREPLY < <(compgen {argument} -- "$current")'


def _zsh_option(entry: Option) -> list[str]:
    action = (
        f"({' '.join(entry.choices)})"
        if entry.choices
        else "_files"
        if entry.is_path or not entry.flags
        else ""
    )
    if not entry.flags:
        mark = "*:" if entry.repeated else "::" if entry.optional else ":"
        return [_quoted(f"{mark}{_escaped(entry.summary)}:{action}")]
    value = f":value:{action}" if entry.takes_value else ""
    star = "*" if entry.repeated else ""
    return [_quoted(f"{star}{flag}[{_escaped(entry.summary)}]{value}") for flag in entry.flags]


def _fish_option(name: str, entry: Option) -> str:
    parts = [f"complete -c wisp -n '__fish_seen_subcommand_from {name}'"]
    parts += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in entry.flags]
    if entry.choices:
        parts.append(f"-x -a {_quoted(' '.join(entry.choices))}")
    elif entry.takes_value and entry.flags:
        parts.append("-r" if entry.is_path else "-x")
    parts.append(f"-d {_quoted(entry.summary)}")
    return " ".join(parts)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
