"""The Go builder with the real go, and its guest library in the real host."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.clients import ask, stream
from tests.integration.build.projects import build, write
from wisp import native
from wisp.build.go import BUILDER
from wisp.errors import BuildError, ToolchainError

if TYPE_CHECKING:
    import http.client


pytestmark = pytest.mark.timeout(600)

GUEST = "go"
TEMPLATE = Path(native.__file__).parents[1] / "templates" / GUEST
MODULE = "module broken\n\ngo 1.25\n\nrequire github.com/wisp-wasm/wisp/guest/go v0.1.0\n"
USING = 'package main\n\nimport wisp "github.com/wisp-wasm/wisp/guest/go"\n\nfunc main() {}\n\n'


def test_the_template_becomes_a_component_that_answers_http(tmp_path: Path, work: Path) -> None:
    folder = tmp_path / "service"
    shutil.copytree(TEMPLATE, folder)
    (folder / "go.mod").write_text((folder / "go.mod").read_text().replace("{{name}}", "service"))

    info = native.inspect(build(BUILDER, folder, work))

    assert (info.kind, info.http) == ("component", "0.2")
    assert not (folder / "go.sum").exists()


def test_an_error_of_the_compiler_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, go_mod=MODULE, main_go=USING + "func init() { wisp.Serve(absent) }\n")

    with pytest.raises(BuildError, match="undefined: absent") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "service",
        folder / "main.go",
        7,
    )


def test_a_module_that_needs_a_newer_go_says_so(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, go_mod=MODULE.replace("1.25", "1.99"), main_go=USING)

    with pytest.raises(ToolchainError, match=r"1\.99"):
        build(BUILDER, folder, work)


def test_a_program_that_serves_nothing_is_told_what_it_needs(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, go_mod="module plain\n\ngo 1.25\n", main_go="package main\n\nfunc main() {}\n")

    with pytest.raises(BuildError, match="not an HTTP service") as caught:
        build(BUILDER, folder, work)

    assert "wisp.Serve" in (caught.value.hint or "")


def test_a_panic_is_answered_and_the_instance_lives_on(connection: http.client.HTTPConnection) -> None:
    status, body = ask(connection, "/panic")
    after, _ = ask(connection, "/hello")

    assert (status, after) == (500, 200)
    assert b"the component failed" in body


def test_goroutines_and_timers_work_within_a_request(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/sleep") == (200, b"slept")


def test_a_body_streams_both_ways(connection: http.client.HTTPConnection) -> None:
    body = bytes(range(256)) * 40_000

    assert stream(connection, "/echo", body) == (200, body)


def test_status_and_headers_arrive(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/created")
    response = connection.getresponse()

    assert (response.status, response.headers["location"], response.read()) == (201, "/elsewhere", b"")


def test_allocations_of_a_hundred_thousand_requests_neither_grow_nor_crash_it(
    connection: http.client.HTTPConnection,
) -> None:
    _, before = ask(connection, "/garbage?1000")
    for _ in range(2000):
        assert ask(connection, "/headers")[0] == 200
    _, after = ask(connection, "/garbage?100000")

    collections, memory = map(int, re.findall(rb"(\d+) collections, (\d+) bytes", after)[0])
    assert collections > 100
    assert memory < 16 << 20, (before, after)
