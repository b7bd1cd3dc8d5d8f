"""`wisp wit diff`: what changed between two versions, whom it breaks, which version it asks for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp import native
from wisp.cli import output
from wisp.errors import WitError
from wisp.wit import diff, read
from wisp.wit.versions import Version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from wisp.wit.changes import Change
    from wisp.wit.diff import Difference
    from wisp.wit.model import Wit


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp wit diff`."""
    for name in ("old", "new"):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help="a folder or a file with WIT, or a component"
        )
    parser.add_argument(
        "--try",
        action="store_true",
        dest="trial",
        help="build a component that imports the one and one that exports the other, and link them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the changes and the sum; the exit code is 1 when the new version promises more than it keeps."""
    old, new = read.read(arguments.old), read.read(arguments.new)
    if (old.world is None) != (new.world is None):
        component, package = (
            (arguments.old, arguments.new) if new.world is None else (arguments.new, arguments.old)
        )
        message = f"{output.short(component)} is a component, and {output.short(package)} is a package"
        hint = "two components can be compared, or two packages; `wisp wit check` checks a component against a world"
        raise WitError(message, hint=hint)
    difference = diff.compare(old, new)
    trials = _trials(old, new, (arguments.old, arguments.new)) if arguments.trial else None
    if arguments.json:
        print(json.dumps(_data(difference, trials), indent=2))
    else:
        print(
            "\n".join(
                [*_changes(difference), *_sum(difference, _names(arguments, old, new)), *_tried(trials)]
            )
        )
    return 0 if difference.enough else 1


def _data(difference: Difference, trials: dict[str, str | None] | None) -> dict[str, object]:
    data: dict[str, object] = {
        "old": str(difference.old),
        "new": str(difference.new),
        "changes": [_change(change) for change in difference.changes],
        "worlds": [_change(change) for change in difference.consequences],
        "breaking": difference.breaking,
        "same_track": difference.same_track,
        "links": difference.links,
        "asks_for": difference.asks_for,
        "enough": difference.enough,
    }
    return data if trials is None else {**data, "tried": trials}


def _change(change: Change) -> dict[str, object]:
    return {
        "path": change.path,
        "subject": change.subject,
        "text": change.text,
        "breaks": list(change.breaks),
    }


def _changes(difference: Difference) -> Iterator[str]:
    for change in difference.changes:
        line = ": ".join(part for part in (change.path, change.subject, change.text) if part)
        colour = (
            "green"
            if not change.breaks
            else "yellow"
            if set(change.breaks) <= {"exporters", "hosts"}
            else "red"
        )
        yield f"{line}: {output.paint(change.effect, colour, stream=sys.stdout)}"


def _names(arguments: argparse.Namespace, old: Wit, new: Wit) -> tuple[str, str]:
    """Return what the two are called: packages have names, components those of their files."""
    before, after = (
        str(wit.package.name) if wit.world is None else output.short(path)
        for wit, path in ((old, arguments.old), (new, arguments.new))
    )
    return before, after


def _sum(difference: Difference, names: tuple[str, str]) -> Iterator[str]:
    old, new = difference.old, difference.new
    if not difference.changes:
        yield f"{names[0]} and {names[1]} say the same"
    if old.version and new.version and old.bare == new.bare and difference.changes:
        yield _asked(difference)
    elif difference.breaking:
        yield f"{names[0]} -> {names[1]}: breaks what was built against the old one"
    if old.bare == new.bare and old.version != new.version:
        yield _tracks(difference)


def _asked(difference: Difference) -> str:
    old, new, asked = difference.old.version, difference.new.version, difference.asks_for
    kind = "breaks components" if difference.breaking else "adds to it"
    if difference.enough:
        return f"{old} -> {new}: {kind}, {asked} or later was asked for"
    track = Version.parse(old or "").track
    return f"{old} -> {new}: {kind} within {track}.x, next is {asked}"


def _tracks(difference: Difference) -> str:
    old, new = difference.old.version, difference.new.version
    if not difference.same_track:
        return f"{old} and {new} are on different tracks: components of the one do not link to those of the other"
    if difference.links:
        return f"{old} and {new} are on one track: what imports {old} links to what exports {new}, as it is"
    return f"{old} and {new} are on one track, but what imports {old} does not link to what exports {new}"


def _trials(old: Wit, new: Wit, paths: tuple[Path, Path]) -> dict[str, str | None]:
    """Try both directions; None is success, otherwise the validator's words."""
    before, after = paths
    if old.world is not None and new.world is not None:
        return {
            "component of old, host of new": _trial(native.wit_try_world, before, after),
            "component of new, host of old": _trial(native.wit_try_world, after, before),
        }
    return {
        "importer of old, exporter of new": _trial(native.wit_try_link, after, before),
        "importer of new, exporter of old": _trial(native.wit_try_link, before, after),
    }


def _trial(attempt: Callable[[Path, Path], None], given: Path, wanted: Path) -> str | None:
    try:
        attempt(given, wanted)
    except WitError as error:
        return error.message
    return None


def _tried(trials: dict[str, str | None] | None) -> Iterator[str]:
    for what, message in (trials or {}).items():
        yield f"tried: {what}: {'works' if message is None else f'does not: {message}'}"
