"""Writes the reference of the command line from the parsers: `python -m wisp.cli.reference > docs/reference/cli.md`.

A test compares the committed page with what this prints.
"""

from __future__ import annotations

import os

from wisp.cli import main

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
        text = main.parser_for(command.name).format_help().rstrip()
        sections.append(f"## wisp {command.name}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    print(page(), end="")
