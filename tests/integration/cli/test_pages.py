"""What the documentation shows is what happens: its commands are run and its output is compared."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.cli import pages
from tests.integration.cli.program import environment, serving

DEFAULT = "127.0.0.1:3000"


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: page.name)
def test_what_the_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    address = free_address()

    with ExitStack() as running:
        for step in pages.steps(page):
            place = f"{page.name}:{step.line}"
            match step.kind:
                case "file":
                    write(tmp_path, step.name, step.text)
                case "serve":
                    [command] = pages.commands(step.text)
                    line = f"{command.line} --listen {address}"
                    running.enter_context(serving(["bash", "-c", f"exec {line}"], folder=current(tmp_path)))
                case _:
                    session(step.text, address, tmp_path, place)


def session(text: str, address: str, folder: Path, place: str) -> None:
    for command in pages.commands(text):
        line = command.line.replace(DEFAULT, address)
        finished = subprocess.run(
            ["bash", "-c", f"{line}\npwd > '{folder}/.folder'"],
            cwd=current(folder),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert command.is_answered_by(finished.stdout), (
            f"{place}: `{command.line}` printed:\n{finished.stdout}\nbut the page shows:\n{command.output}"
        )


def write(folder: Path, name: str, text: str) -> None:
    base = current(folder)
    (base / name).parent.mkdir(parents=True, exist_ok=True)
    (base / name).write_text(text, encoding="utf-8")


def current(folder: Path) -> Path:
    """Return where the page's session is: a `cd` in one block holds for the next."""
    where = folder / ".folder"
    return Path(where.read_text(encoding="utf-8").strip()) if where.exists() else folder


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
