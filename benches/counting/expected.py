"""The numbers that are written down, what was counted instead, and writing down new ones with a reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Counts = dict[str, dict[str, dict[str, int]]]
"""What was counted: by sequence, then by kind, then by name."""


class NumbersError(Exception):
    """The numbers cannot be read."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One count that is not what is written down."""

    sequence: str
    kind: str
    name: str
    before: int
    now: int
    requests: int

    def __str__(self) -> str:
        name = self.kind if self.name == self.kind else f"{self.kind}, {self.name}"
        word = "more" if self.now > self.before else "fewer"
        return (
            f"{self.sequence}: {name}: {self._of(self.now)} for a request instead of {self._of(self.before)}, "
            f"{self._of(abs(self.now - self.before))} {word} ({self.now} instead of {self.before} in {self.requests} requests)"
        )

    def _of(self, total: int) -> str:
        return f"{total / self.requests:.2f}".rstrip("0").rstrip(".")


def read(path: Path) -> Counts:
    """Return what is written down. Raises NumbersError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"{path}: {error}"
        raise NumbersError(message) from error
    numbers: Counts = {}
    for sequence, kinds in document.items():
        for kind, number in kinds.items():
            if not str(number.get("reason", "")).strip():
                message = f"{path}: {sequence}: {kind} has no reason"
                raise NumbersError(message)
            numbers.setdefault(sequence, {})[kind] = dict(number["is"])
    return numbers


def differences(written: Counts, counted: Counts, requests: int) -> Iterator[Difference]:
    """Compare what was counted with what is written down, to the last call."""
    for sequence, kinds in counted.items():
        for kind, now in kinds.items():
            before = written.get(sequence, {}).get(kind, {})
            for name in sorted({*before, *now}):
                pair = before.get(name, 0), now.get(name, 0)
                if pair[0] != pair[1]:
                    yield Difference(sequence, kind, name, *pair, requests)


def write(path: Path, counted: Counts, reason: str) -> None:
    """Write down what was counted; numbers that are new or other than before get this reason."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for sequence, kinds in counted.items():
        for kind, now in kinds.items():
            _write(document, (sequence, kind), now, reason)
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


def _write(
    document: tomlkit.TOMLDocument, place: tuple[str, str], now: Mapping[str, int], reason: str
) -> None:
    sequence, kind = place
    if sequence not in document:
        document[sequence] = tomlkit.table(is_super_table=True)
    kinds = document[sequence]
    if kind in kinds and dict(kinds[kind]["is"]) == dict(now):
        return
    number = tomlkit.table()
    number["is"] = tomlkit.inline_table()
    number["is"].update(dict(sorted(now.items())))
    number["reason"] = reason
    kinds[kind] = number
