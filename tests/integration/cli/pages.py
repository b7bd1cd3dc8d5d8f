"""Reads the pages of the documentation that can be run.

A comment before a fenced block says what the block is, and no reader sees it:

    <!-- run -->          a console session: after `$ ` a command, below it what it prints (`...` stands for anything)
    <!-- shape -->        the same, where numbers, what marks a request, and the width of columns may be others
    <!-- file: app.py --> the content of a file
    <!-- table: x.toml --> one table of that file, in place of the one with the same header, or at the end
    <!-- excerpt: app.py --> lines that stand in that file
    <!-- serve -->        a command that goes on running until the next one or the page's end, such as `wisp up`; what it
                          prints, if the page shows that, is compared in its shape

A comment can also be a console session itself, for what a page takes for granted:

    <!-- beforehand
    $ mkdir shop
    -->
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(
    r"^<!-- (?:beforehand\n(?P<hidden>.*?)|(?P<kind>run|shape|serve|file|table|excerpt)(?:: (?P<name>[^\n]+?))? -->\n+"
    r"```[^\n]*\n(?P<text>.*?))^(?:```|-->)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One block to run."""

    kind: str
    text: str
    line: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console session, and what it prints."""

    line: str
    output: str

    def is_answered_by(self, printed: str, *, in_shape: bool = False) -> bool:
        """Whether what was printed is what the page shows, or looks like it."""
        shown, printed = self.output.strip(), printed.strip()
        if in_shape:
            shown, printed = _shape(shown), _shape(printed)
        pattern = re.escape(shown).replace(re.escape("..."), ".*")
        return re.fullmatch(pattern, printed, re.DOTALL) is not None


def pages() -> list[Path]:
    """Return the pages that have something to run."""
    folders = [*sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]
    candidates = [ROOT / "README.md", *folders]
    return [page for page in candidates if steps(page)]


def steps(page: Path) -> list[Step]:
    """Return the blocks of a page that can be run, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Step(
            match["kind"] or "run",
            match["text"] or match["hidden"],
            text.count("\n", 0, match.start()) + 1,
            match["name"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]


def commands(text: str) -> list[Command]:
    """Split a console session into commands and what they print."""
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif found and found[-1].line.endswith("\\"):
            found[-1] = Command(f"{found[-1].line}\n{line}", "")
        elif found:
            found[-1] = Command(found[-1].line, f"{found[-1].output}{line}\n")
    return found


def _shape(text: str) -> str:
    """Return a text with one mark for each number and one for each duration, one space between columns.

    Whether something had to be built depends on the cache, so that is not part of the shape.
    """
    text = re.sub(r"\b[0-9a-f]{32}\b", "#", text)
    text = re.sub(r"\d+(?:[.:]\d+)*", "#", text)
    text = re.sub(r"# min # s\b|# ms\b", "# s", text)
    return re.sub(r"[ \t]+", " ", text.replace(" built in # s", ""))


def with_table(text: str, table: str) -> str:
    """Return TOML with this table in place of the one that has its header, or at the end."""
    header = re.escape(table.partition("\n")[0])
    old = re.compile(rf"^{header}\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)
    if old.search(text):
        return old.sub(lambda _: table, text, count=1)
    return f"{text}\n{table}"
