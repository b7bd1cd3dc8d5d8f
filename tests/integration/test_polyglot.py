"""The example through the real command line: one table of cases, five languages, the same answers."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from examples.polyglot.demo import FOLDER, LANGUAGES, read_cases, run_cases
from examples.service import Service
from tests.guests.build import use_rust

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first run of all compiles five components and the standard library of Rust.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    use_rust()
    with Service(FOLDER) as service:
        yield service


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_answers_as_the_table_says(service: Service, language: str) -> None:
    cases = read_cases()

    differing = {
        case.name: answer for case, answer in run_cases(service, language, cases) if not answer.fits(case)
    }

    assert differing == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_body_of_absurd_depth_is_read_or_refused_but_breaks_nothing(
    service: Service, language: str
) -> None:
    depth = 100_000
    body = b'{"id": "a", "payload": "b", "encryption_level": 7, "more": ' + b"[" * depth + b"]" * depth + b"}"
    connection = service.connect()

    connection.request("POST", f"/{language}/process", body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()

    assert response.status in {http.HTTPStatus.OK, http.HTTPStatus.BAD_REQUEST}
    assert answer.get("verification_hash") == "0x53889" or answer["detail"] == "the body is not JSON"


def test_a_method_that_no_route_has_is_refused_by_the_host(service: Service) -> None:
    connection = service.connect()

    connection.request("GET", "/rust/process")
    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == http.HTTPStatus.METHOD_NOT_ALLOWED
    assert response.headers["allow"] == "POST"


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in read_cases()]

    assert len(names) == len(set(names))
