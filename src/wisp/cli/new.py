"""`wisp new`: copies a template into a folder of its own, and says what to do next."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli import output
from wisp.cli.parser import UsageError
from wisp.errors import WispError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

TEMPLATES = Path(__file__).parent.parent / "templates"
DEFAULT = "http-python"
_PREFIX = "http-"
_PLACEHOLDER = "{{name}}"
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "target", ".wisp"})


@dataclass(frozen=True, slots=True)
class NewApp:
    """What is to be made."""

    name: str
    template: str
    folder: Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wisp new`."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="the app's name, such as my-service; asked for if left out"
    )
    parser.add_argument(
        "-t",
        "--template",
        choices=templates(),
        metavar="TEMPLATE",
        help=f"what to start from: {', '.join(templates())} (default: {DEFAULT}, or asked for)",
    )
    parser.add_argument(
        "--path", type=Path, metavar="DIR", help="the folder to make (default: NAME, in this folder)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the app."""
    app = _complete(arguments.name, arguments.template, arguments.path)
    files = create(app)
    mark = output.paint("created", "green", stream=sys.stdout)
    print(f"{mark} {app.name} in {output.short(app.folder)} ({len(files)} files, template {app.template})")
    print("\nnext steps:")
    if app.folder.resolve() != Path.cwd():
        print(f"  cd {output.short(app.folder)}")
    print("  wisp up --watch          # builds it, and serves it at http://127.0.0.1:3000")
    print("  curl http://127.0.0.1:3000/")
    return 0


def templates() -> list[str]:
    """Return the names of the templates, as `--template` takes them."""
    return sorted(_PREFIX + entry.parent.name for entry in TEMPLATES.glob("*/wisp.toml"))


def create(app: NewApp) -> list[Path]:
    """Copy the template and return the files written.

    Raises:
        WispError: a file is there already; then nothing is written.

    """
    source = TEMPLATES / app.template.removeprefix(_PREFIX)
    copies = {app.folder / _named(file.relative_to(source), app.name): file for file in _files(source)}
    for target in copies:
        if target.exists() or target.is_symlink():
            message = f"{output.short(target)} is there already, and `wisp new` never overwrites"
            raise WispError(message, hint="choose another name, or another folder with --path")
    new_folders = [folder for folder in _folders(copies) if not folder.exists()]
    try:
        for target, file in copies.items():
            _copy(file, target, app.name)
    except OSError as error:
        _remove(copies, new_folders)
        message = f"cannot write {output.short(app.folder)}: {error.strerror}"
        raise WispError(message) from error
    return list(copies)


def _complete(name: str | None, template: str | None, path: Path | None) -> NewApp:
    from wisp.manifest.values import parse_name  # noqa: PLC0415 - pydantic is slow to import

    interactive = sys.stdin.isatty() and sys.stderr.isatty()
    if name is None and path is not None:
        name = path.resolve().name
    if name is None:
        if not interactive:
            message = "a name is needed: `wisp new NAME`"
            raise UsageError(message)
        name = _ask("name of the app", "hello")
        template = template or _choose()
    try:
        parse_name(name)
    except ValueError as error:
        raise WispError(str(error)) from error
    return NewApp(name, template or DEFAULT, (path or Path(name)).absolute())


def _ask(question: str, default: str) -> str:
    print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip() or default


def _choose() -> str:
    names = templates()
    default = DEFAULT if DEFAULT in names else names[0]
    for number, name in enumerate(names, 1):
        print(f"  {number}  {name}", file=sys.stderr)
    while True:
        answer = _ask("template, by number or name", default)
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
        if answer in names:
            return answer
        print(f"there is no template {answer}", file=sys.stderr)


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in _LEFT_OUT:
            continue
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


def _folders(targets: Iterable[Path]) -> list[Path]:
    """Return the folders that these files need, the innermost first."""
    found = {folder for target in targets for folder in target.parents}
    return sorted(found, key=lambda folder: len(folder.parts), reverse=True)


def _remove(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Leave nothing half done, which the next try would take for something of the user's."""
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _named(path: Path, name: str) -> Path:
    return Path(*(part.replace(_PLACEHOLDER, name) for part in path.parts))


def _copy(file: Path, target: Path, name: str) -> None:
    content = file.read_bytes()
    with contextlib.suppress(UnicodeDecodeError):  # what is not a text is copied as it is
        content = content.decode().replace(_PLACEHOLDER, name).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        stream.write(content)
    target.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
