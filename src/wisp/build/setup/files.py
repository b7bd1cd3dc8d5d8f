"""What is to be written into a project, and writing it without losing anything of its author's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wisp.build import bindings
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LIST: Final = f"{bindings.FOLDER}/.generated"
"""The file that lists what was generated: these files may be written again."""

_HEAD: Final = "# Written by `wisp wit init`, which makes these files anew each time.\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """The files of a project, by their place in its folder."""

    generated: Mapping[str, str] = field(default_factory=dict)
    begun: Mapping[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    """What is left to do, in sentences."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, file by file."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    """They were there, and are what they were."""

    removed: tuple[str, ...]
    """They were generated, and nothing in the WIT asks for them any more."""


def apply(plan: Plan, folder: Path, *, force: bool) -> Outcome:
    """Write the files of a plan.

    Args:
        plan: What to write.
        folder: The project.
        force: Overwrite what is there, whoever wrote it.

    Raises:
        BuildError: a generated file would take the place of one that was not generated; then nothing is written.

    """
    known = _listed(folder)
    foreign = [name for name in plan.generated if name not in known and _exists(folder / name)]
    if foreign and not force:
        message = f"{foreign[0]} is there already, and was not generated"
        hint = "move it elsewhere, or overwrite it with --force"
        raise BuildError(message, file=folder / foreign[0], hint=hint)
    kept = tuple(name for name in plan.begun if not force and _exists(folder / name))
    texts = dict(plan.generated) | {name: text for name, text in plan.begun.items() if name not in kept}
    try:
        for name, text in texts.items():
            _write(folder / name, text)
        removed = tuple(_remove(folder, sorted(known - set(plan.generated))))
        if plan.generated:
            _write(folder / LIST, _HEAD + "".join(f"{name}\n" for name in sorted(plan.generated)))
    except OSError as error:
        message = f"cannot write: {error}"
        raise BuildError(message, file=folder) from error
    return Outcome(tuple(sorted(texts)), tuple(sorted(kept)), removed)


def _listed(folder: Path) -> set[str]:
    try:
        lines = (folder / LIST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    inside = (line for line in lines if line and not line.startswith(("#", "/")))
    return {line for line in inside if ".." not in line.split("/")}


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")


def _remove(folder: Path, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        path = folder / name
        if path.is_file():
            path.unlink()
            yield name
        if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
