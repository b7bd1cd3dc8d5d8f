"""What a `spin.toml` says that has no equal here, or means something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from wisp.manifest.problems import Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.positions import Place

NoteKind: TypeAlias = Literal["no equal", "differs"]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One thing that somebody who converts a manifest should know."""

    line: int
    key: str
    kind: NoteKind
    message: str


@dataclass(slots=True)
class Notebook:
    """Notes and problems, as they are found."""

    places: Mapping[KeyPath, Place]
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def no_equal(self, path: KeyPath, message: str) -> None:
        """Note that something has no effect here."""
        self._note(path, "no equal", message)

    def differs(self, path: KeyPath, message: str) -> None:
        """Note that something means something else here."""
        self._note(path, "differs", message)

    def refuse(self, path: KeyPath, message: str, *, on_key: bool = False) -> None:
        """Note that the manifest cannot be read like this."""
        self.problems.append(Problem(path, message, on_key=on_key))

    def _note(self, path: KeyPath, kind: NoteKind, message: str) -> None:
        line = Problem(path, "", on_key=True).place(self.places).line
        self.notes.append(Note(line, dotted(path), kind, message))
