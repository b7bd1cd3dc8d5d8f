"""The oracle of WASI: what `wasmtime run` and `wasmtime serve` let a guest see is what wisp lets it see.

The same component runs under both, in a world that was made twice: the same files, variables, arguments and input. What it says, how it
ends and what it leaves behind is compared.
"""

from __future__ import annotations

import functools
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from examples.service import Service
from tests.guests.build import Name, component
from tests.integration import wasmtime
from tests.integration.cli.program import wisp

if TYPE_CHECKING:
    import http.client
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

# The first run builds and compiles the guests.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def world(folder: Path) -> Path:
    """Make a folder with all kinds of files, and things beside it that must not be reached."""
    root = folder / "root"
    (root / "folder").mkdir(parents=True)
    (folder / "beside").mkdir()
    (folder / "outside").write_text("outside", encoding="utf-8")
    (root / "text").write_text("some text\n", encoding="utf-8")
    (root / "replaced").write_text("to be replaced", encoding="utf-8")
    (root / "emptied").write_text("to be emptied", encoding="utf-8")
    for name, target in {
        "inner-link": "text",
        "outer-link": "../outside",
        "absolute-link": "/etc/hostname",
        "outer-folder": "../beside",
        "circle": "circle",
        "to-nothing": "nothing",
    }.items():
        (root / name).symlink_to(target)
    return root


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Return all that is below a folder: the content of files, the target of links."""

    def content(path: Path) -> bytes | str | None:
        if path.is_symlink():
            return str(path.readlink())
        return path.read_bytes() if path.is_file() else None

    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


@functools.cache
def program(name: Name) -> Path:
    """Return a program that wisp has compiled: the first time, it says so on stderr."""
    found = component(name)
    wisp("run", found)
    return found


Ended = tuple[int, str, str]


def ended(process: subprocess.CompletedProcess[str]) -> Ended:
    return process.returncode, process.stdout, process.stderr


def test_files_clocks_and_random_numbers_are_those_of_wasmtime(tmp_path: Path) -> None:
    guest = program("preview1")
    theirs, ours = world(tmp_path / "theirs"), world(tmp_path / "ours")

    expected = wasmtime.run(guest, "survey", "/data", options=("--dir", f"{theirs}::/data"))
    found = wisp("run", "--dir", f"{ours}::/data", guest, "survey", "/data")

    assert (expected.returncode, expected.stderr) == (0, "")
    assert found.stdout.splitlines() == expected.stdout.splitlines()
    assert ended(found) == ended(expected)
    assert tree(ours.parent) == tree(theirs.parent)
    # The survey went all the way, and came to both answers.
    assert "list at the end: " in found.stdout
    assert found.stdout.count(": refused") > 20
    assert found.stdout.count(": done") > 20
    assert not re.search(r"(went on|differ|century): 0", found.stdout)


def test_a_world_without_folders_is_that_of_wasmtime() -> None:
    guest = program("preview1")

    assert ended(wisp("run", guest, "survey", "/data")) == ended(wasmtime.run(guest, "survey", "/data"))


VARIABLES = ("--env", "A=1", "--env", "B=x=y", "--env", "EMPTY=")
VERBS: tuple[tuple[str, ...], ...] = (
    ("arguments", "one", "", "three four", "käse"),
    ("environment",),
    ("echo",),
    ("error", "oh"),
    ("exit", "1"),
    ("read", "/data/text"),
    ("write", "/elsewhere", "content"),
    ("nonsense",),
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
# Without folders: what some distributions' libraries of Rust make of `command2` traps when it is given one, under both.
@pytest.mark.parametrize("name", ["command2", "preview1"])
def test_a_program_says_and_ends_as_under_wasmtime(name: Name, verb: Sequence[str]) -> None:
    guest, stdin = program(name), "first line\nsecond, without an end"

    expected = wasmtime.run(guest, *verb, options=VARIABLES, stdin=stdin)
    found = wisp("run", *VARIABLES, guest, *verb, stdin=stdin)

    assert ended(found) == ended(expected)


def test_a_component_of_wasi_0_3_is_given_the_same_arguments() -> None:
    guest = program("command3")
    options = ("-W", "component-model-async=y", "-S", "p3=y")

    expected = wasmtime.run(guest, "one", "two words", options=options)

    assert expected.returncode == 0, expected.stderr
    assert ended(wisp("run", guest, "one", "two words")) == ended(expected)


APP = """
app.name = "oracle"

[[http]]
route = "/..."
component = "guest"

[component.guest]
source = "{guest}"
environment = {{ A = "1", B = "x=y" }}
"""
REQUESTS: tuple[tuple[str, str, bytes], ...] = (
    ("GET", "/environment", b""),
    ("GET", "/files", b""),
    ("GET", "/status?code=418", b""),
    ("GET", "/status?code=204", b""),
    ("POST", "/echo", b"x" * 100_000),
    ("POST", "/echo", b""),
    ("GET", "/huge?bytes=300000", b""),
    ("GET", "/sse?events=2&pause=1", b""),
    ("POST", "/unread", b"unread"),
    ("GET", "/slow?ms=5", b""),
    ("HEAD", "/hello", b""),
    ("GET", "/counter", b""),
    ("GET", "/counter", b""),
)


def answers(connection: http.client.HTTPConnection) -> list[tuple[int, str | None, bytes]]:
    """Return status, type and body for each request."""
    found = []
    for method, target, body in REQUESTS:
        connection.request(method, target, body, {"content-type": "text/x-test"})
        response = connection.getresponse()
        # A variable that `wasmtime serve` has of its own.
        content = re.sub(rb',"INSTANCE_ID":"\d+"', b"", response.read())
        found.append((response.status, response.headers["content-type"], content))
    return found


def test_a_service_answers_as_under_wasmtime(tmp_path: Path) -> None:
    guest = component("http2")
    (tmp_path / "wisp.toml").write_text(APP.format(guest=guest), encoding="utf-8")

    with wasmtime.serving(guest, options=("--env", "A=1", "--env", "B=x=y")) as theirs:
        expected = answers(theirs)
    with Service(tmp_path) as service, closing(service.connect()) as ours:
        found = answers(ours)

    assert found == expected
    assert {status for status, _, _ in found} == {200, 204, 418}
