"""The JavaScript builder with the real tools, and its guest library inside of real components."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.projects import build, write
from tests.integration.build.served import arrivals, ask, exchange, serve
from wisp import native
from wisp.build.javascript import BUILDER
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.host import Host

# The first run of all installs the tools with npm; SpiderMonkey takes its time on a busy machine.
pytestmark = pytest.mark.timeout(900)

SERVICE = """
import { environment, Problem, Response, serve } from "wisp-guest";

let calls = 0;

async function* events() {
  for (let number = 0; number < 3; number += 1) {
    yield `data: ${number}\\n\\n`;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function* broken() {
  yield "abc";
  throw new Error("cut");
}

serve(async (request) => {
  calls += 1;
  switch (request.path.split("/")[1]) {
    case "echo": return new Response(request.body);
    case "size": return Response.json((await request.bytes()).length);
    case "events": return new Response(events(), { headers: { "content-type": "text/event-stream" } });
    case "broken": return new Response(broken());
    case "bug": return Response.json(null.x);
    case "other": return { not: "a response" };
    case "header": return new Response("x", { headers: { "a b": "c" } });
    case "problem": throw new Problem(409, "taken", { field: "name" });
    case "log": console.log("said", { a: 1 }); return Response.text("ok");
    case "calls": return Response.json(calls);
    case "items": return Response.json([request.parameters.get("item"), request.clientAddress, request.id.length]);
    case "json": return Response.json(await request.json());
    case "environment": return Response.json(environment());
    case "globals": return Response.json([
      new TextDecoder().decode(new TextEncoder().encode("é€😀")), Math.random(), crypto.randomUUID(), typeof clearTimeout,
    ]);
    case "text": return Response.text(await request.text());
    default: return Response.json([request.method, request.path, [...request.query]]);
  }
});
"""


@pytest.fixture(scope="module", params=["quickjs", "spidermonkey"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("javascript")
    (folder / "sources").mkdir()
    (folder / "sources" / "app.js").write_text(SERVICE, encoding="utf-8")
    package = {"wisp": {"engine": request.param}}
    (folder / "sources" / "package.json").write_text(json.dumps(package), encoding="utf-8")
    with serve(folder) as host:
        yield host


def test_a_request_s_parts_reach_the_handler(host: Host) -> None:
    answer = ask(host, "/a%20b?x=1&x=%C3%A9+&y", method="PATCH")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == ["PATCH", "/a b", [["x", "1"], ["x", "é "], ["y", ""]]]
    assert answer.headers["content-length"] == str(len(answer.body))


def test_route_parameters_and_what_the_host_says_reach_the_handler(host: Host) -> None:
    assert json.loads(ask(host, "/items/a%20b").body) == ["a b", "127.0.0.1", 32]


def test_the_environment_is_the_manifest_s(host: Host) -> None:
    assert json.loads(ask(host, "/environment").body) == {"GREETING": "hi"}


def test_a_body_is_echoed_as_a_stream(host: Host) -> None:
    body = bytes(range(256)) * 40_000

    assert exchange(host, "/echo", body) == body


def test_a_whole_body_is_read(host: Host) -> None:
    assert ask(host, "/size", method="POST", body=bytes(1_000_000)).body == b"1000000"


def test_events_arrive_one_by_one(host: Host) -> None:
    pieces = arrivals(host, "/events")

    assert b"".join(piece for piece, _ in pieces) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert pieces[-1][1] - pieces[0][1] > 0.3


def test_a_bug_is_a_500_and_logged(host: Host) -> None:
    since = len(host.lines)

    answer = ask(host, "/bug")

    problem = json.loads(answer.body)
    assert (answer.status, problem["title"]) == (500, "Internal Server Error")
    assert "TypeError" not in answer.body.decode()
    said = host.until(
        lambda: [line for line in host.lines[since:] if line.get("message", "").startswith("TypeError: ")],
        "the error",
    )
    assert (said[0]["stream"], said[0]["request_id"]) == ("stderr", problem["request_id"])


@pytest.mark.parametrize("path", ["/other", "/header"])
def test_whatever_a_handler_does_is_answered(host: Host, path: str) -> None:
    assert ask(host, path).status == 500


def test_a_stream_that_breaks_is_not_taken_for_whole(host: Host) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(host, "/broken")


def test_a_problem_is_answered_as_it_says(host: Host) -> None:
    answer = ask(host, "/problem")

    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    assert json.loads(answer.body)["field"] == "name"


def test_what_the_console_says_is_logged(host: Host) -> None:
    since = len(host.lines)

    ask(host, "/log")

    said = host.until(
        lambda: [line for line in host.lines[since:] if line.get("message", "").startswith("said {")],
        "the line",
    )
    assert said[0]["stream"] == "stdout"


def test_json_nested_too_deeply_does_not_trap(host: Host) -> None:
    bodies = (b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000)

    assert [ask(host, "/json", method="POST", body=body).status for body in bodies] == [400, 400]


def test_utf_8_is_strict_both_ways(host: Host) -> None:
    text = "aé€😀\ufeff\x00"

    assert ask(host, "/text", method="POST", body=text.encode()).body.decode() == text
    for wrong in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82"):
        assert (
            json.loads(ask(host, "/text", method="POST", body=wrong).body)["detail"]
            == "the body is not UTF-8"
        )


def test_the_usual_globals_are_there_and_no_two_instances_draw_the_same_numbers(host: Host) -> None:
    first, second = (json.loads(ask(host, "/globals").body) for _ in range(2))

    assert first[0] == "é€😀"
    assert first[3] == "function"
    assert first[1] != second[1]
    assert first[2] != second[2]


HELLO = 'import { Response, serve } from "wisp-guest";\nserve(() => Response.text("hello"));\n'


def test_typescript_is_built_without_more_ado(tmp_path: Path) -> None:
    code = """
import { Response, serve } from "wisp-guest";
interface Greeting { hello: string }
const greeting = { hello: "you" } satisfies Greeting;
serve((request) => Response.json(greeting as Greeting));
"""

    info = native.inspect(build(BUILDER, write(tmp_path / "sources", app_ts=code), tmp_path / "work"))

    assert info.http == "0.3"


def test_dependencies_come_by_the_project_s_lock_file(tmp_path: Path) -> None:
    code = 'import ms from "ms";\nimport { Response, serve } from "wisp-guest";\nserve(() => Response.json(ms("2 days")));\n'
    package = {"name": "x", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}
    integrity = (
        "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="
    )
    packages = {"": package, "node_modules/ms": {"version": "2.1.3", "integrity": integrity}}
    lock = {"name": "x", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    folder = write(tmp_path / "sources", app_js=code, package_json=json.dumps(package))

    with pytest.raises(BuildError, match=r"no package-lock\.json"):
        build(BUILDER, folder, tmp_path / "work")
    (folder / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")

    assert build(BUILDER, folder, tmp_path / "work").startswith(b"\0asm")


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        (f"{HELLO}function (\n", "Expected", 3),
        (f'{HELLO}import "./absent.js";\n', "Could not resolve './absent.js'", 3),
        (f'{HELLO}import "left-pad";\n', "Could not resolve 'left-pad'", 3),
        (f"{HELLO}function f() {{\n  return missing.x;\n}}\nf();\n", "missing is not defined", 4),
    ],
)
def test_an_error_names_file_and_line(tmp_path: Path, code: str, message: str, line: int) -> None:
    folder = write(tmp_path / "sources", app_js=code)

    with pytest.raises(BuildError, match=message) as caught:
        build(BUILDER, folder, tmp_path / "work")

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "service",
        folder / "app.js",
        line,
    )


def test_a_module_without_a_handler_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="the component has no handler"):
        build(BUILDER, write(tmp_path / "sources", app_js="export default 1;\n"), tmp_path / "work")
