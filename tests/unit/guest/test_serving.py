from __future__ import annotations

import json

import pytest

from wisp_guest import _serve
from wisp_guest._handlers import is_async
from wisp_guest.http import Problem, Request, Response, serve


@pytest.fixture(autouse=True)
def nothing_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serve, "_served", [])


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    @serve
    def handle(request: Request) -> Response:
        return Response.text(request.path)

    assert _serve.served() is handle
    assert handle(Request("GET", "/x")).body == b"/x"
    assert not is_async(handle)


def test_a_component_has_one_handler() -> None:
    @serve
    def first(request: Request) -> Response:
        return Response(request.body)

    with pytest.raises(TypeError, match=r"first is served already.*second cannot be"):

        @serve
        def second(request: Request) -> Response:
            return first(request)


def test_a_coroutine_function_is_told_from_a_function() -> None:
    async def handle(request: Request) -> Response:
        return Response(await request.read())

    class Callable:
        async def __call__(self, request: Request) -> Response:
            return Response(await request.read())

    assert is_async(handle)
    assert is_async(Callable())


def test_a_problem_is_answered_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    def handle(_: Request) -> Response:
        raise Problem(418, "short and stout", field="spout")

    response = _serve.answer(handle, Request())

    assert response.status == 418
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["field"] == "spout"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), SystemExit(3), KeyboardInterrupt()])
def test_a_bug_is_logged_and_answered_with_500(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle(_: Request) -> Response:
        raise error

    response = _serve.answer(handle, Request(headers={"x-request-id": "f" * 32}))

    assert response.status == 500
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the service failed",
        "request_id": "f" * 32,
    }
    assert f"in handle\n    raise error\n{type(error).__name__}" in capsys.readouterr().err


def test_a_handler_that_returns_something_else_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    def handle(_: Request) -> Response:
        return {"a": 1}  # type: ignore[return-value]

    assert _serve.answer(handle, Request()).status == 500
    assert "a handler returns a Response, not dict" in capsys.readouterr().err


async def test_a_coroutine_function_is_answered_for_like_a_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def good(request: Request) -> Response:
        return Response(await request.read())

    async def bad(_: Request) -> Response:
        raise LookupError

    assert (await _serve.answer_async(good, Request(body=b"abc"))).body == b"abc"
    assert (await _serve.answer_async(bad, Request())).status == 500
    assert "LookupError" in capsys.readouterr().err
