from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp_guest._request import DEEPEST
from wisp_guest.http import Headers, Parameters, Problem, Request


def test_a_request_splits_its_target_into_path_and_query() -> None:
    request = Request("GET", "/a%20b/c?page=2&tag=x&tag=y%26z&empty=")

    assert request.path == "/a b/c"
    assert request.query["page"] == "2"
    assert request.query.get_all("tag") == ["x", "y&z"]
    assert request.query["empty"] == ""
    assert request.query.get("absent") is None
    assert request.query.get("absent", "fallback") == "fallback"


def test_the_case_of_a_header_name_does_not_matter() -> None:
    request = Request(headers=[("X-One", "1"), ("x-one", "2")])

    assert request.headers["x-ONE"] == "1"
    assert request.headers.get_all("X-One") == ["1", "2"]
    assert "X-ONE" in request.headers
    assert list(request.headers) == ["x-one"]


def test_an_absent_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Request().headers["absent"]


def test_what_the_host_says_has_names() -> None:
    headers = {
        "wisp-client-address": "192.0.2.1",
        "x-request-id": "0" * 32,
        "wisp-param-id": "a%2Fb",
        "wisp-path-info": "x/y%20z",
    }

    request = Request(headers=headers)

    assert request.client_address == "192.0.2.1"
    assert request.id == "0" * 32
    assert request.parameters["id"] == "a/b"
    assert request.path_info == "x/y z"


def test_a_request_without_a_route_s_remainder_has_no_path_info() -> None:
    assert Request().path_info is None


def test_a_body_is_read_whole_as_often_as_wanted() -> None:
    request = Request("POST", body=b'{"a": 1}')

    assert request.body == b'{"a": 1}'
    assert request.text() == '{"a": 1}'
    assert request.json() == {"a": 1}


def test_a_body_is_streamed_once() -> None:
    request = Request("POST", body=b"abc")

    assert b"".join(request.stream()) == b"abc"
    with pytest.raises(RuntimeError, match="read already"):
        request.stream()


def test_a_coroutine_reads_a_body_too() -> None:
    async def read() -> tuple[bytes, bytes]:
        request = Request("POST", body=b"abc")
        return await request.read(), await request.read()

    assert asyncio.run(read()) == (b"abc", b"abc")


def test_a_body_that_is_not_utf_8_is_a_400_problem() -> None:
    with pytest.raises(Problem) as caught:
        Request("POST", body=b"\xff").text()

    assert caught.value.members() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "the body is not UTF-8",
        "field": "body",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"-Infinity",
        b"[1,]",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 1000 + b"]" * 1000,
        b"9" * 5000,
    ],
)
def test_a_body_that_is_not_json_is_a_400_problem(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        Request("POST", body=body).json()

    assert (caught.value.status, caught.value.detail) == (400, "the body is not JSON")


def test_json_may_be_nested_as_deeply_as_the_stack_bears() -> None:
    body = b"[" * DEEPEST + b"]" * DEEPEST

    assert isinstance(Request("POST", body=body).json(), list)


def test_json_with_many_brackets_need_not_be_deep() -> None:
    body = b"[" + b",".join([b'{"a":["]["]}'] * 5000) + b"]"

    assert len(Request("POST", body=body).json()) == 5000


def test_numbers_are_read_as_asked() -> None:
    value = Request("POST", body=b"9" * 5000).json(parse_int=float)

    assert value == float("inf")


@given(st.lists(st.tuples(st.text(), st.text())))
def test_parameters_keep_every_pair_in_order(pairs: list[tuple[str, str]]) -> None:
    parameters = Parameters(pairs)

    assert parameters.items() == pairs
    assert len(parameters) == len({name for name, _ in pairs})
    for name, _ in pairs:
        assert parameters.get_all(name) == [value for known, value in pairs if known == name]


def test_headers_are_set_added_and_removed() -> None:
    headers = Headers({"A": "1"})

    headers.add("a", "2")
    headers.add("B", "3")
    headers.set("A", "4")
    headers.remove("b")
    headers.remove("absent")

    assert headers == Headers([("a", "4")])
    assert headers != Parameters([("a", "4")])
    assert repr(headers) == "Headers([('a', '4')])"
