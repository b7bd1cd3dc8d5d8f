"""The example through the real command line: three languages count in one store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from examples.counter.demo import FOLDER, LANGUAGES, visit
from examples.service import Service
from tests.guests.build import use_rust

if TYPE_CHECKING:
    from pathlib import Path

# The first run of all compiles three components and the standard library of Rust.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def rust() -> None:
    use_rust()


def count(service: Service, language: str) -> int:
    answer: Any = visit(service, language)
    assert answer["language"] == language
    return int(answer["visits"])


def test_each_language_goes_on_where_the_others_are_and_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with Service(FOLDER, "--state", str(tmp_path / "state")) as service:
        first = [count(service, language) for language in (*LANGUAGES, *LANGUAGES)]
    with Service(FOLDER, "--state", str(tmp_path / "state")) as service:
        second = [count(service, language) for language in LANGUAGES]

    assert first == [1, 2, 3, 4, 5, 6]
    assert second == [7, 8, 9]


def test_no_visit_is_lost_when_all_count_at_once(tmp_path: Path) -> None:
    counted: list[int] = []

    with Service(FOLDER, "--workers", "2", "--state", str(tmp_path / "state")) as service:

        def visits(language: str) -> None:
            counted.extend(count(service, language) for _ in range(20))

        threads = [threading.Thread(target=visits, args=(language,)) for language in LANGUAGES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(counted) == list(range(1, 61))
