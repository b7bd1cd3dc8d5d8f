"""Writes the reference of the command line from the parsers: `python -m wisp.cli.reference > docs/reference/cli.md`.

A test compares the committed page with what this prints.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wisp.cli import main
from wisp.cli.parser import subparsers

if TYPE_CHECKING:
    import argparse

_HEAD = """\
# The command line

<!-- Written by `python -m wisp.cli.reference`; do not edit. -->

| command | what it does |
|---|---|
{rows}

Exit codes: `0` success; `1` something that you can mend, said on stderr with a hint; `2` wrong usage; `130` Ctrl-C; `70` a fault
in wisp. `wisp run` gives the program's own.

`NO_COLOR` switches colours off, which only a terminal gets anyway. `WISP_CACHE_DIR` moves the cache. `WISP_DEBUG=1` shows
the traceback of an error.
"""


def page() -> str:
    """Return the page in Markdown."""
    rows = "\n".join(
        f"| [`wisp {command.name}`](#wisp-{command.name}) | {command.summary} |" for command in main.COMMANDS
    )
    sections = [_HEAD.format(rows=rows)]
    for command in main.COMMANDS:
        parser = main.parser_for(command.name)
        sections.append(_section("##", parser))
        sections += [_section("###", below) for below in subparsers(parser).values()]
    return "\n".join(sections)


def _section(mark: str, parser: argparse.ArgumentParser) -> str:
    return f"{mark} {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    print(page(), end="")
