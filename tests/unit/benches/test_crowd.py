"""Components that differ, made of one."""

from pathlib import Path

import pytest
from harness.client import length, request
from harness.crowd import Crowd, greeting, variant
from harness.flood import status
from harness.servers import GREETING, MeasurementError

WASM = b"\0asm...data:Hello, world!more"


def test_each_variant_answers_with_its_number_and_is_as_long_as_what_it_was_made_of() -> None:
    made = {variant(WASM, number) for number in (0, 7, 999)}

    assert len(made) == 3
    assert {len(one) for one in made} == {len(WASM)}
    assert variant(WASM, 7) == b"\0asm...data:Hello, 00007!more"
    assert len(greeting(99_999)) == len(GREETING)


@pytest.mark.parametrize("wasm", [b"\0asm", WASM + WASM])
def test_a_component_whose_greeting_is_not_found_once_is_refused(wasm: bytes) -> None:
    with pytest.raises(MeasurementError, match="times, and once is needed"):
        variant(wasm, 1)


def test_components_share_binaries_and_each_answer_says_whose_it_is() -> None:
    app = Crowd(Path("crowd"), 10, 4)

    assert [app.answer(number) for number in (0, 3, 4, 9)] == [greeting(number) for number in (0, 3, 0, 1)]
    assert app.path(9) == "/many/9"


def test_the_length_of_an_answer_is_read_whatever_the_case_of_its_header() -> None:
    assert length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\ndate: today") == 12
    with pytest.raises(MeasurementError, match="does not say how long it is"):
        length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked")


def test_a_request_with_a_body_says_how_long_it_will_be() -> None:
    assert request("/up", body=5) == b"POST /up HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"", None),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{", None),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}", 503),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
    ],
)
def test_a_flood_counts_an_answer_once_all_of_it_is_there(received: bytes, expected: int | None) -> None:
    assert status(received) == expected
