"""The linked example: a gateway in Python, processors in several languages, texts in JavaScript, equal answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from examples.polyglot.demo import WISP, Service
from tests.guests.build import use_rust
from tests.integration import wasmtime

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

EXAMPLE = Path("examples/cyber").resolve()
CASES: list[dict[str, Any]] = json.loads((EXAMPLE / "cases.json").read_bytes())
PROFILES = ("rust", "python", "bridged")
"""The first is what the manifest says without a profile."""

# The first run of all compiles every component, and the standard library of Rust.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def arguments(profile: str) -> list[str]:
    return [] if profile == PROFILES[0] else ["--profile", profile]


@pytest.fixture(scope="module", params=PROFILES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    use_rust()
    with Service(EXAMPLE, *arguments(request.param)) as service:
        yield service


def ask(connection: http.client.HTTPConnection, case: dict[str, Any]) -> tuple[int, object]:
    connection.request("POST", "/process", json.dumps(case["body"]).encode())
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def differing(connection: http.client.HTTPConnection) -> dict[str, object]:
    """Send all cases, and return the answers that are not in the table."""
    answers = {case["name"]: ask(connection, case) for case in CASES}
    expected = {case["name"]: (case["status"], case["answer"]) for case in CASES}
    return {name: answer for name, answer in answers.items() if answer != expected[name]}


def test_every_processor_answers_as_the_table_says(service: Service) -> None:
    with contextlib.closing(service.connect()) as connection:
        assert differing(connection) == {}


def test_the_composition_runs_under_wasmtime_serve(tmp_path: Path) -> None:
    use_rust()
    composed = tmp_path / "cyber.wasm"
    subprocess.run([WISP, "compose", EXAMPLE, "-o", composed], check=True, capture_output=True)

    with wasmtime.serving(composed) as connection:
        assert differing(connection) == {}


def test_the_example_has_one_description_of_each_interface() -> None:
    for copy in EXAMPLE.glob("*/wit/deps/*.wit"):
        assert copy.read_bytes() == (EXAMPLE / "wit" / copy.name).read_bytes(), copy


def test_names_of_cases_are_unique() -> None:
    names = [case["name"] for case in CASES]

    assert len(names) == len(set(names))
