"""What the documentation shows is what happens: its commands are run and its output is compared."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "127.0.0.1:3000"
READY_SECONDS = 120


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: page.name)
def test_what_the_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    address = free_address()

    with ExitStack() as running:
        for step in pages.steps(page):
            text = step.text.replace(DEFAULT, address)
            place = f"{page.name}:{step.line}"
            match step.kind:
                case "file":
                    write(tmp_path, step.name, text)
                case "serve":
                    running.enter_context(serving(text, address, tmp_path))
                case _:
                    session(text, tmp_path, place)


def session(text: str, folder: Path, place: str) -> None:
    for command in pages.commands(text):
        finished = subprocess.run(
            ["bash", "-c", f'cd "$(cat .folder 2>/dev/null || pwd)"\n{command.line}\npwd > {folder}/.folder'],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert command.is_answered_by(finished.stdout), (
            f"{place}: `{command.line}` printed:\n{finished.stdout}\nbut the page shows:\n{command.output}"
        )


@contextmanager
def serving(text: str, address: str, folder: Path) -> Iterator[None]:
    [command] = pages.commands(text)
    where = folder / ".folder"
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.line} --listen {address}"],
        cwd=where.read_text(encoding="utf-8").strip() if where.exists() else folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(process, address)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def wait_for(process: subprocess.Popen[str], address: str) -> None:
    """Wait until the first screen shows the address, or fail with what the command said instead."""
    assert process.stderr is not None
    said = []
    deadline = time.monotonic() + READY_SECONDS
    for line in process.stderr:
        said.append(line)
        if address in line:
            return
        if time.monotonic() > deadline:
            break
    pytest.fail(f"it did not serve {address}:\n{''.join(said)}")


def write(folder: Path, name: str, text: str) -> None:
    where = folder / ".folder"
    base = Path(where.read_text(encoding="utf-8").strip()) if where.exists() else folder
    (base / name).parent.mkdir(parents=True, exist_ok=True)
    (base / name).write_text(text, encoding="utf-8")


def environment() -> dict[str, str]:
    """Our own, with this interpreter's programs first, and without colours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100"}


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
