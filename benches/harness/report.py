"""From what the parts found to JSON, and to the tables of docs/benchmarks.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import plots
from harness.paths import DOCUMENT, RESULTS
from harness.section import Row, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.part import Json

BEGIN = "<!-- results: written by benches/run.py -->"
END = "<!-- end of results -->"

_LIST = re.compile(r"\[[^\[\]{}\"]*\]")
"""A list of numbers in JSON, which is read best on one line."""


@dataclass(frozen=True, slots=True)
class Report:
    """One whole run."""

    machine: Mapping[str, str]
    method: str
    found: Mapping[str, Section | str]
    """By the name of the part: what it found, or why it could not be measured."""

    @property
    def sections(self) -> Iterator[Section]:
        """All sections that there are."""
        return (one for one in self.found.values() if isinstance(one, Section))

    @property
    def void(self) -> Mapping[str, str]:
        """Why parts could not be measured, by their names."""
        return {name: one for name, one in self.found.items() if isinstance(one, str)}

    @property
    def rows(self) -> Iterator[Row]:
        """All rows."""
        return (row for section in self.sections for row in section.rows)

    @property
    def is_void(self) -> bool:
        """Whether something that wisp promises could not be measured."""
        return bool(self.void) or any(row.bar is not None and row.value is None for row in self.rows)

    def markdown(self) -> str:
        """Return the tables."""
        tables = joined(table for section in self.sections for table in section.tables)
        void = "\n".join(f"- {name} could not be measured: {why}" for name, why in self.void.items())
        parts = ["\n".join(self._facts()), void, *(table.markdown() for table in tables)]
        return "\n\n".join(filter(None, parts))

    def bars(self) -> str:
        """Return in one line how many bars are met, and which are not."""
        rows = [row for row in self.rows if row.bar is not None]
        missed = [f"{row.title} ({row.told}, {row.told_bar})" for row in rows if not row.is_met]
        told = f"{len(rows) - len(missed)} of {len(rows)} bars are met"
        return f"{told}; not: {'; '.join(missed)}" if missed else told

    def document(self) -> dict[str, Json]:
        """Return the JSON."""
        return {
            "machine": self.machine,
            "method": self.method,
            "rows": [row.document() for row in self.rows],
            "parts": {
                name: {"void": one} if isinstance(one, str) else one.samples
                for name, one in self.found.items()
            },
        }

    def save(self, path: Path) -> None:
        """Write the JSON to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.document(), indent=1)
        path.write_text(f"{_LIST.sub(_on_one_line, text)}\n", encoding="utf-8")

    def write(self, document: Path = DOCUMENT, results: Path = RESULTS) -> None:
        """Replace the results in the repository: what stands between the markers of the document, the plots beside it, and the JSON."""
        self.save(results)
        plots.write(self.document()["parts"], document)
        before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        parts = (BEGIN, self.markdown(), self._plots(document), self._commands(), END)
        document.write_text(before + "\n\n".join(parts) + after, encoding="utf-8")

    def _facts(self) -> Iterator[str]:
        yield from (f"- {name}: {value}" for name, value in self.machine.items())
        yield f"- method: {self.method}"

    def _plots(self, document: Path) -> str:
        """Return the plots as Markdown shows them, or a sentence about each that there was no data for."""
        drawn = plots.draw(self.document()["parts"])
        return "\n\n".join(
            f"![{title}]({plots.folder(document).name}/{name}.svg)"
            if name in drawn
            else f"{title}: not drawn, because it was not measured in this run."
            for name, title in plots.TITLES.items()
        )

    def _commands(self) -> str:
        lines = dict.fromkeys(command for section in self.sections for command in section.commands)
        return "\n".join(["```text", *lines, "```"])


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split())


def joined(tables: Iterable[Table]) -> list[Table]:
    """Return tables with those of the same head as one, where the first of them was."""
    lines: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for table in tables:
        lines.setdefault(table.head, []).extend(table.lines)
    return [Table(head, tuple(dict.fromkeys(found))) for head, found in lines.items()]
