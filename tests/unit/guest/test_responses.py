from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wisp_guest.http import Problem, Response

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_json_response_is_compact_and_says_so() -> None:
    response = Response.json({"a": [1, "é"]}, 201, headers={"location": "/a"})

    assert response.status == 201
    assert response.body == b'{"a":[1,"\\u00e9"]}'
    assert response.headers.items() == [("location", "/a"), ("content-type", "application/json")]


def test_text_is_sent_as_utf_8() -> None:
    response = Response("é")

    assert response.body == "é".encode()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert Response.text("é").headers == response.headers


def test_a_page_is_html() -> None:
    assert Response.html("<p>").headers["content-type"] == "text/html; charset=utf-8"


def test_a_given_content_type_is_kept() -> None:
    response = Response.json([], headers={"Content-Type": "application/vnd.api+json"})

    assert response.headers.get_all("content-type") == ["application/vnd.api+json"]


def test_a_response_without_a_body_has_no_content_type() -> None:
    assert Response(status=204).headers.items() == []


def test_a_body_may_be_an_iterator() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    response = Response(pieces(), headers={"content-type": "text/event-stream"})

    assert not isinstance(response.body, bytes)
    assert repr(response) == "Response(200, streamed)"


def test_a_problem_has_the_standard_members_first() -> None:
    response = Response.problem(404, "no such packet", field="id")

    assert response.status == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert isinstance(response.body, bytes)
    assert list(json.loads(response.body).items()) == [
        ("type", "about:blank"),
        ("title", "Not Found"),
        ("status", 404),
        ("detail", "no such packet"),
        ("field", "id"),
    ]


def test_a_status_without_a_phrase_is_just_an_error() -> None:
    assert Problem(499, "gone").members()["title"] == "Error"


@pytest.mark.parametrize("status", [0, 99, 100, 199, 600])
def test_a_status_that_no_response_can_have_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        Response(b"", status)
