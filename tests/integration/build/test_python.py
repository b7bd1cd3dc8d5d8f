"""The Python builder with the real componentize-py, and its guest library inside of real components."""

from __future__ import annotations

import http.client
import json
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.served import arrivals, ask, exchange, serve
from wisp import native
from wisp.build import BuildRequest, Pin, python_dependencies
from wisp.build.python import BUILDER
from wisp.build.python_project import PythonProject
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.host import Host

pytestmark = pytest.mark.timeout(600)

SERVICE = """
import os
import time
from collections.abc import Iterator

from wisp_guest.http import Problem, Request, Response, serve

calls = 0


def events() -> Iterator[bytes]:
    for number in range(3):
        yield b"data: %d\\n\\n" % number
        time.sleep(0.2)


def broken() -> Iterator[bytes]:
    yield b"abc"
    raise KeyError("cut")


@serve
def handle(request: Request) -> Response:
    global calls
    calls += 1
    match request.path.strip("/").split("/"):
        case ["echo"]:
            return Response(request.stream())
        case ["size"]:
            return Response.json(len(request.body))
        case ["events"]:
            return Response(events(), headers={"content-type": "text/event-stream"})
        case ["broken"]:
            return Response(broken())
        case ["bug"]:
            return Response.json(1 / 0)
        case ["exit"]:
            raise SystemExit(1)
        case ["header"]:
            return Response("x", headers={"a b": "c"})
        case ["problem"]:
            raise Problem(409, "taken", field="name")
        case ["late"]:
            import helper
            return Response.json(helper.VALUE)
        case ["calls"]:
            return Response.json(calls)
        case ["items", _]:
            return Response.json([request.parameters["item"], request.client_address, len(request.id or "")])
        case ["json"]:
            return Response.json(request.json())
        case ["environment"]:
            return Response.json(dict(os.environ))
    return Response.json([request.method, request.path, request.query.items()])
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("python")
    (folder / "sources").mkdir()
    (folder / "sources" / "app.py").write_text(SERVICE, encoding="utf-8")
    (folder / "sources" / "helper.py").write_text("VALUE = 7\n", encoding="utf-8")
    with serve(folder, reuse=100) as host:
        yield host


def test_a_request_s_parts_reach_the_handler(host: Host) -> None:
    answer = ask(host, "/a%20b?x=1&x=%C3%A9", method="PATCH")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == ["PATCH", "/a b", [["x", "1"], ["x", "é"]]]
    assert answer.headers["content-length"] == str(len(answer.body))


def test_an_unusual_method_reaches_the_handler(host: Host) -> None:
    assert json.loads(ask(host, "/", method="PURGE").body)[0] == "PURGE"


def test_route_parameters_and_what_the_host_says_reach_the_handler(host: Host) -> None:
    assert json.loads(ask(host, "/items/a%20b").body) == ["a b", "127.0.0.1", 32]


def test_the_environment_is_the_manifest_s(host: Host) -> None:
    found = json.loads(ask(host, "/environment").body)

    assert found["GREETING"] == "hi"
    assert "PATH" not in found


def test_ten_megabytes_are_echoed_as_a_stream(host: Host) -> None:
    body = bytes(range(256)) * 40_000

    assert exchange(host, "/echo", body) == body


def test_a_whole_body_is_read(host: Host) -> None:
    assert ask(host, "/size", method="POST", body=bytes(1_000_000)).body == b"1000000"


def test_events_arrive_one_by_one(host: Host) -> None:
    pieces = arrivals(host, "/events")

    assert b"".join(piece for piece, _ in pieces) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert pieces[-1][1] - pieces[0][1] > 0.3


def test_a_bug_is_a_500_with_a_traceback_in_the_log_and_the_instance_lives(host: Host) -> None:
    before = json.loads(ask(host, "/calls").body)
    since = len(host.lines)

    answer = ask(host, "/bug")

    problem = json.loads(answer.body)
    assert (answer.status, problem["title"]) == (500, "Internal Server Error")
    assert "ZeroDivisionError" not in answer.body.decode()
    line = host.line(since=since, kind="guest", message="ZeroDivisionError: division by zero")
    assert (line["stream"], line["request_id"]) == ("stderr", problem["request_id"])
    assert any('File "app.py", line' in found.get("message", "") for found in host.lines[since:])
    assert any(
        found.get("message", "").strip() == "return Response.json(1 / 0)" for found in host.lines[since:]
    )
    assert json.loads(ask(host, "/calls").body) == before + 2


@pytest.mark.parametrize("path", ["/exit", "/header"])
def test_whatever_a_handler_does_is_answered(host: Host, path: str) -> None:
    before = json.loads(ask(host, "/calls").body)

    assert ask(host, path).status == 500
    assert json.loads(ask(host, "/calls").body) == before + 2


def test_a_stream_that_breaks_is_not_taken_for_whole(host: Host) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(host, "/broken")

    host.line(kind="guest", message="KeyError: 'cut'")


def test_a_problem_is_answered_as_it_says(host: Host) -> None:
    answer = ask(host, "/problem")

    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    assert json.loads(answer.body)["field"] == "name"


def test_json_nested_too_deeply_does_not_end_the_instance(host: Host) -> None:
    before = json.loads(ask(host, "/calls").body)

    answers = [
        ask(host, "/json", method="POST", body=body)
        for body in (b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000)
    ]

    assert [answer.status for answer in answers] == [400, 400]
    assert json.loads(ask(host, "/calls").body) == before + 3


def test_what_a_handler_imports_late_is_there(host: Host) -> None:
    assert ask(host, "/late").body == b"7"


ASYNCHRONOUS = """
import asyncio

from wisp_guest.http import Request, Response, serve


async def ticks():
    for number in range(3):
        await asyncio.sleep(0.01)
        yield b"%d" % number


@serve
async def handle(request: Request) -> Response:
    match request.path:
        case "/echo":
            return Response(request.stream())
        case "/size":
            return Response.json(len(await request.read()))
        case "/ticks":
            return Response(ticks())
        case "/together":
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.gather(*(asyncio.sleep(0.2) for _ in range(10)))
            return Response.json(loop.time() - began)
        case "/timeout":
            try:
                async with asyncio.timeout(0.05):
                    await asyncio.sleep(30)
            except TimeoutError:
                return Response.text("timed out")
        case "/stuck":
            await loop_forever()
        case "/behind":
            asyncio.create_task(asyncio.sleep(3600))
            return Response.text("left a task behind")
    raise LookupError(request.path)


async def loop_forever():
    await asyncio.get_running_loop().create_future()
"""


@pytest.fixture(scope="module")
def asynchronous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("python-async")
    (folder / "sources").mkdir()
    (folder / "sources" / "app.py").write_text(ASYNCHRONOUS, encoding="utf-8")
    with serve(folder, reuse=100) as host:
        yield host


def test_asyncio_works_inside_of_a_component(asynchronous: Host) -> None:
    assert ask(asynchronous, "/ticks").body == b"012"
    assert ask(asynchronous, "/timeout").body == b"timed out"
    assert 0.2 <= json.loads(ask(asynchronous, "/together").body) < 1.9


def test_a_coroutine_streams_both_ways(asynchronous: Host) -> None:
    body = bytes(range(256)) * 8_000

    assert exchange(asynchronous, "/echo", body) == body
    assert ask(asynchronous, "/size", method="POST", body=body).body == str(len(body)).encode()


def test_what_goes_wrong_in_a_coroutine_is_answered(asynchronous: Host) -> None:
    assert ask(asynchronous, "/absent").status == 500
    assert ask(asynchronous, "/stuck").status == 500
    assert ask(asynchronous, "/behind").body == b"left a task behind"
    asynchronous.line(kind="guest", message="LookupError: /absent")


def build(folder: Path, *, release: bool = False, **files: str) -> bytes:
    sources, work = folder / "sources", folder / "work"
    for path in (sources, work):
        path.mkdir(exist_ok=True)
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (sources / f"{stem}.{suffix}").write_text(textwrap.dedent(text), encoding="utf-8")
    BUILDER.build(BuildRequest("one", sources, folder / "one.wasm", work, release), lambda _: None)
    return (folder / "one.wasm").read_bytes()


HELLO = """
    from wisp_guest.http import Request, Response, serve

    @serve
    def handle(request: Request) -> Response:
        return Response.text("hello")
    """


def test_the_modules_of_a_component_are_merged(tmp_path: Path) -> None:
    apart = build(tmp_path, app_py=HELLO)
    merged = build(tmp_path, release=True, app_py=HELLO)

    assert native.inspect(apart).http == native.inspect(merged).http == "0.2"
    assert native.inspect(merged).resources.core_instances < native.inspect(apart).resources.core_instances


def test_nothing_is_written_into_the_project(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="has no handler"):
        build(tmp_path, app_py="import helper\n", helper_py="x = 1\n")

    assert sorted(path.name for path in (tmp_path / "sources").iterdir()) == ["app.py", "helper.py"]


def test_a_package_of_the_host_cannot_be_imported(tmp_path: Path) -> None:
    # It is installed here: wisp itself needs it.
    with pytest.raises(BuildError, match="No module named 'httpx'") as caught:
        build(tmp_path, app_py="import os\nimport httpx\n")

    assert (caught.value.component, caught.value.file, caught.value.line) == (
        "one",
        tmp_path / "sources" / "app.py",
        2,
    )
    assert caught.value.hint is not None


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="SyntaxError") as caught:
        build(tmp_path, app_py="import helper\n", helper_py="x = 1\ndef f(:\n")

    assert (caught.value.file, caught.value.line) == (tmp_path / "sources" / "helper.py", 2)


def install(
    folder: Path, requirements: str, *, pins: tuple[Pin, ...] = ()
) -> python_dependencies.Dependencies:
    sources, work = folder / "sources", folder / "work"
    for path in (sources, work):
        path.mkdir(exist_ok=True)
    (sources / "app.py").touch()
    (sources / "requirements.txt").write_text(requirements, encoding="utf-8")
    request = BuildRequest("one", sources, folder / "one.wasm", work, pins=pins)
    found = python_dependencies.install(PythonProject.read(sources), request, lambda _: None)
    assert found is not None
    return found


def test_declared_dependencies_are_installed_and_pinned(tmp_path: Path) -> None:
    found = install(tmp_path, "click<8.2\njinja2\nwisp-guest\n")

    versions = {pin.name: pin.version for pin in found.pins}
    assert set(versions) == {"click", "jinja2", "markupsafe"}
    assert versions["click"].startswith("8.1.")
    assert all(pin.hashes for pin in found.pins)
    assert (found.folder / "jinja2" / "__init__.py").is_file()
    assert not list(found.folder.rglob("*.so"))


def test_pins_of_the_lock_file_are_honoured_while_they_fit(tmp_path: Path) -> None:
    kept = install(tmp_path, "click<8.2\n", pins=(Pin("click", "8.1.3"),))
    left = install(tmp_path, "click>=8.1.7,<8.2\n", pins=(Pin("click", "8.1.3"),))

    assert [pin.version for pin in kept.pins] == ["8.1.3"]
    assert [pin.version for pin in left.pins] != ["8.1.3"]


def test_a_dependency_without_a_pure_wheel_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="orjson: no pure Python wheel") as caught:
        install(tmp_path, "click\norjson\n")

    assert (caught.value.file, caught.value.line) == (tmp_path / "sources" / "requirements.txt", 2)
    assert caught.value.hint is not None
    assert 'pure-fallback = ["orjson"]' in caught.value.hint


def test_a_dependency_that_does_not_exist_is_named(tmp_path: Path) -> None:
    name = "wisp-has-no-such-package"

    with pytest.raises(BuildError, match=name) as caught:
        install(tmp_path, f"click\n{name}\n")

    assert caught.value.line == 2
