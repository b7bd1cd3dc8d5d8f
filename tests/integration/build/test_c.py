"""The C builder with the real zig."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.clients import ask, stream
from tests.integration.build.projects import build, write
from wisp import native
from wisp.build.c import BUILDER
from wisp.errors import BuildError

if TYPE_CHECKING:
    import http.client


# The first run of all fetches zig and compiles WASI's C library.
pytestmark = pytest.mark.timeout(600)

GUEST = "c"
TEMPLATE = Path(native.__file__).parents[1] / "templates" / GUEST
HANDLER = "#include <wisp.h>\n\nvoid wisp_handle(wisp_request *request, wisp_response *response) {\n"


def test_the_template_becomes_a_small_component_that_answers_http(work: Path) -> None:
    component = build(BUILDER, TEMPLATE, work)

    info = native.inspect(component)

    assert (info.kind, info.http) == ("component", "0.2")
    assert len(component) < 100_000


def test_files_in_folders_are_compiled_and_headers_are_found(tmp_path: Path, work: Path) -> None:
    write(
        tmp_path,
        include__greeting_h="const char *greeting(void);\n",
        src__greeting_c='#include "greeting.h"\nconst char *greeting(void) { return "hello"; }\n',
        src__service_c=f'#include "greeting.h"\n{HANDLER}    wisp_print(response, "%s", greeting());\n}}\n',
    )

    info = native.inspect(build(BUILDER, tmp_path, work))

    assert info.http == "0.2"


def test_an_error_of_the_compiler_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c=f"{HANDLER}    unknown(response);\n}}\n")

    with pytest.raises(BuildError, match="undeclared function 'unknown'") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "service",
        folder / "service.c",
        4,
    )


def test_a_project_without_a_handler_is_told_so(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c="int answer(void) { return 42; }\n")

    with pytest.raises(BuildError, match="no file defines `wisp_handle`") as caught:
        build(BUILDER, folder, work)

    assert "wisp.h" in (caught.value.hint or "")


def test_a_missing_header_names_file_and_line(tmp_path: Path, work: Path) -> None:
    folder = write(tmp_path, service_c='#include "absent.h"\n')

    with pytest.raises(BuildError, match=r"'absent\.h' file not found") as caught:
        build(BUILDER, folder, work)

    assert (caught.value.file, caught.value.line) == (folder / "service.c", 1)


def test_a_folder_with_c_files_is_a_c_project(tmp_path: Path) -> None:
    write(tmp_path, a__src__main_c="", b__service_c="", c__notes_txt="")

    assert [BUILDER.detect(tmp_path / name) for name in ("a", "b", "c")] == [True, True, False]


def test_a_body_streams_both_ways(connection: http.client.HTTPConnection) -> None:
    body = bytes(range(256)) * 40_000

    assert stream(connection, "/echo", body) == (200, body)


def test_a_whole_body_is_read_and_written_as_json(connection: http.client.HTTPConnection) -> None:
    text = 'a "quoted"\\\n\x00\x1f text, 世界' * 10_000

    status, answer = ask(connection, "/whole", text.encode())

    assert (status, json.loads(answer)) == (200, text)


def test_the_parts_of_a_request_are_what_was_sent(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/a%20b/describe?x=1&y=?") == (200, b"POST|/a%20b/describe|x=1&y=?|text/plain|100")


def test_more_than_the_buffer_holds_arrives_whole(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/large") == (200, b"x" * 10_000 + b"!")


def test_a_short_answer_has_a_length_and_an_empty_one_has_none(
    connection: http.client.HTTPConnection,
) -> None:
    lengths = []
    for path in ("/hello", "/empty"):
        connection.request("POST", path)
        response = connection.getresponse()
        response.read()
        lengths.append((response.status, response.headers["content-length"]))

    assert lengths == [(200, "13"), (204, None)]


def test_flushed_events_arrive_in_order(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/events") == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n")


def test_a_problem_names_its_field(connection: http.client.HTTPConnection) -> None:
    status, answer = ask(connection, "/problem")

    assert (status, json.loads(answer)) == (
        422,
        {
            "type": "about:blank",
            "title": "Unprocessable Content",
            "status": 422,
            "detail": 'a "quoted" word',
            "field": "word",
        },
    )


def test_thousands_of_requests_leak_nothing(connection: http.client.HTTPConnection) -> None:
    body = b"x" * 100_000

    # Were only the bodies kept, the instance's 32 MiB would be full after 330 requests.
    answers = [ask(connection, "/whole", body) for _ in range(1000)]

    assert {status for status, _ in answers} == {200}
