"""`wisp convert`: writes the `wisp.toml` that a `spin.toml` means, and says what has no equal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import variables
from wisp.errors import ManifestError, WispError
from wisp.manifest import document, files, load, spin
from wisp.manifest.models import FILE_NAME
from wisp.manifest.problems import shown
from wisp.manifest.spin import runtime, write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from wisp.manifest.spin.notes import Note

_STDOUT = "-"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp convert`."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(spin.FILE_NAME),
        metavar="PATH",
        help="a spin.toml, or its folder (default: the one in this folder)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"where to write it, - to print it (default: {FILE_NAME} beside it)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")
    parser.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="the value of a variable that says where a component may send something; may be repeated",
    )
    parser.add_argument(
        "--runtime-config",
        type=Path,
        metavar="FILE",
        help="a runtime-config.toml of Spin, whose values are written too",
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert one manifest, and tell what whoever does it should know."""
    path: Path = arguments.path / spin.FILE_NAME if arguments.path.is_dir() else arguments.path
    config = None if arguments.runtime_config is None else runtime.load(arguments.runtime_config)
    text, notes = convert(path.absolute(), load.SpinOptions(variables(arguments.variable), config))
    if arguments.output == _STDOUT:
        sys.stdout.write(text)
    else:
        target = Path(arguments.output) if arguments.output else path.with_name(FILE_NAME)
        _write(target, text, path, force=arguments.force)
        print(f"wrote {output.short(target.absolute())}", file=sys.stderr)
    for line in _told(path, notes):
        print(line, file=sys.stderr)
    return 0


def convert(path: Path, options: load.SpinOptions) -> tuple[str, Sequence[Note]]:
    """Return the text of the `wisp.toml` that a `spin.toml` means, and what has no equal.

    Raises:
        ManifestError: the file is wrong, or says what cannot be said.

    """
    read = document.read(path)
    data = document.parse(read, path)
    if not load.is_spin(data, path):
        message = f"{shown(path)} is not a manifest of Spin: it has no `spin_manifest_version`"
        raise ManifestError(message, path=path)
    translation = load.read_spin(data, read, path, options)
    text = write.dumps(translation.data, path.name)
    # What is wrong with it is said with the places of the file that it came from.
    load.loads(read, path=path, spin_options=options)
    load.loads(text, path=path.with_name(FILE_NAME))
    return text, translation.notes


def _write(target: Path, text: str, source: Path, *, force: bool) -> None:
    if target.absolute().parent != source.absolute().parent:
        message = (
            f"{output.short(target.absolute())} is in another folder, and paths in it would lead elsewhere"
        )
        raise WispError(message, hint="write it beside the spin.toml, or print it with --output -")
    if target.exists() and not force:
        message = f"{output.short(target.absolute())} is there already"
        raise WispError(message, hint="--force overwrites it, and --output - prints what would be written")
    try:
        files.write(target, text.encode())
    except OSError as error:
        message = f"cannot write {output.short(target.absolute())}: {error.strerror}"
        raise WispError(message) from error


def _told(path: Path, notes: Sequence[Note]) -> Iterator[str]:
    for kind, heading in (("no equal", "has no equal:"), ("differs", "means something slightly different:")):
        found = [note for note in notes if note.kind == kind]
        if found:
            yield heading
            yield from (
                f"  {shown(path.absolute())}:{note.line}: {note.key}: {note.message}" for note in found
            )
