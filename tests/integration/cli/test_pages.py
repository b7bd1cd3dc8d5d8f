"""What the documentation shows is what happens: its commands are run and its output is compared."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import use_rust
from tests.integration.cli import pages
from tests.integration.cli.program import environment, serving
from tests.integration.registry.registries import docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.registry.registries import Registry

SERVICE = "127.0.0.1:3000"
ADMIN = "127.0.0.1:9090"
REGISTRY = "localhost:5000"
APPS = "/srv"
"""On a page, a folder of the machine; here, the page's own."""


@pytest.mark.e2e
@pytest.mark.timeout(900)  # the first run fetches and compiles compilers
@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_what_the_page_shows_is_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".state"))
    if any(word in page.read_text(encoding="utf-8") for word in ("http-rust", "examples/")):
        use_rust()
    reader = Reader(tmp_path)

    with ExitStack() as running, ExitStack() as registries:
        if REGISTRY in page.read_text(encoding="utf-8"):
            reader.use(registries.enter_context(docker_registry(tmp_path / ".registry")))
        for step in pages.steps(page):
            match step.kind:
                case "file":
                    reader.write(step.name, step.text)
                case "table":
                    reader.write(step.name, pages.with_table(reader.read(step.name), step.text))
                case "excerpt":
                    assert step.text in reader.read(step.name), f"{page.name}:{step.line}: not in {step.name}"
                case "serve":
                    running.close()
                    running.enter_context(reader.serve(step.text, f"{page.name}:{step.line}"))
                case kind:
                    reader.run(step.text, f"{page.name}:{step.line}", in_shape=kind == "shape")


class Reader:
    """Somebody who types what a page shows."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home
        """Where the session is: a `cd` in one block holds for the next."""

        (home / "examples").symlink_to(pages.ROOT / "examples")
        self._address = free_address()
        self._registry = ""
        self._meant = {SERVICE: self._address, ADMIN: free_address(), APPS: str(home)}

    def use(self, registry: Registry) -> None:
        """Take a registry for the one of the page."""
        self._meant[REGISTRY] = self._registry = registry.address

    def read(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._mean(text), encoding="utf-8")

    @contextmanager
    def serve(self, text: str, place: str) -> Iterator[None]:
        [command] = pages.commands(text)
        if command.line.startswith("wisp lattice up"):
            with self._lattice(command.line):
                yield
            return
        line = f"exec {self._mean(command.line)} --listen {self._address}"
        if not command.output:
            with serving(["bash", "-c", line], folder=self._folder):
                yield
            return
        printed: list[str] = []
        with serving(["bash", "-c", f"{line} --log-format text"], folder=self._folder, printed=printed):
            yield
        said = "".join(printed)
        said = said[
            max(said.find("\n  wisp "), 0) :
        ]  # a build may have been reported before the first screen
        assert command.is_answered_by(said, in_shape=True), _other(place, command, said)

    @contextmanager
    def _lattice(self, line: str) -> Iterator[None]:
        """Run a lattice of its own, whose host is called as on the page."""
        os.environ["WISP_STATE_DIR"] = str(self._home / ".state")
        # The port beside NATS's, which it would take, may be in use on a machine that does other things.
        listening = f"--nats-listen {free_address()} --join-listen {free_address()}"
        words = f"--name berlin-1 --http {self._address} {listening}"
        try:
            with serving(
                ["bash", "-c", f"exec {line} {words}"], folder=self._folder, ready='"event":"joined"'
            ):
                yield
        finally:
            del os.environ["WISP_STATE_DIR"]

    def run(self, text: str, place: str, *, in_shape: bool) -> None:
        for command in pages.commands(text):
            printed = self._type(self._mean(command.line))
            if self._registry:
                printed = printed.replace(self._registry, REGISTRY)
            assert command.is_answered_by(printed, in_shape=in_shape), _other(place, command, printed)

    def _type(self, line: str) -> str:
        note = self._home / ".folder"
        finished = subprocess.run(
            ["bash", "-c", f"{line}\npwd > '{note}'"],
            cwd=self._folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self._folder = self._home / note.read_text(encoding="utf-8").strip()
        return finished.stdout

    def _mean(self, line: str) -> str:
        for shown, meant in self._meant.items():
            line = line.replace(shown, meant)
        return line


def _other(place: str, command: pages.Command, printed: str) -> str:
    return f"{place}: `{command.line}` printed:\n{printed}\nbut the page shows:\n{command.output}"


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
