"""The linked example: a gateway in Python, processors in several languages, texts in JavaScript, equal answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wisp
from examples.service import WISP, Service
from tests.guests.build import use_rust
from tests.integration import wasmtime

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

EXAMPLE = Path("examples/cyber").resolve()
CASES: list[dict[str, Any]] = json.loads((EXAMPLE / "cases.json").read_bytes())
LANGUAGES = ("rust", "python", "javascript", "go", "c")
PROFILES = (*LANGUAGES, "bridged", *(f"{language}-bridged" for language in LANGUAGES[1:]))
"""The first is what the manifest says without a profile."""

ARTICLE = "cyber:packets/data-processor@0.1.0"

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


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What answers to the article's interface, composed with the processor of today."""
    use_rust()
    composed = tmp_path_factory.mktemp("legacy") / "legacy.wasm"
    subprocess.run([WISP, "compose", EXAMPLE / "legacy", "-o", composed], check=True, capture_output=True)
    return composed


def test_the_interface_of_the_article_is_called_from_the_shell(legacy: Path) -> None:
    packet = '{id: "packet-1", payload: "classified"}'

    answer = subprocess.check_output([WISP, "call", legacy, f"{ARTICLE}.process", packet, "--json"])

    assert json.loads(answer) == 'SECURE_VERIFIED: 10 bytes of "packet-1" at level 7 (0x53889)'


async def test_a_program_loads_a_component_of_the_app_with_all_that_it_is_linked_to() -> None:
    use_rust()
    async with wisp.Host() as host:
        component = await host.load(EXAMPLE, component="processor")
        async with component.instantiate() as instance:
            packets = instance["cyber:packets/data-processor@0.2.0"]
            done = await packets.process(packets.Packet(id="a1", payload="x", encryption_level=7))

    assert (done.id, done.verification_hash) == ("a1", "0x53889")
    assert "level 7" in done.status  # which the formatter wrote


async def test_the_interface_of_the_article_is_called_from_python(legacy: Path) -> None:
    async with wisp.Host() as host:
        component = await host.load(legacy)
        async with component.instantiate() as instance:
            packets = instance[ARTICLE]
            answer = await packets.process(packets.Packet(id="a", payload=""))

    assert answer == "REJECTED: empty-payload"


def test_the_interface_of_the_article_is_what_the_article_says() -> None:
    text = (EXAMPLE / "wit" / "packets-0.1.wit").read_text(encoding="utf-8")
    code = " ".join(line for line in text.splitlines() if not line.lstrip().startswith("///"))

    assert " ".join(code.split()) == (
        "package cyber:packets@0.1.0; interface data-processor { record packet { id: string, payload: string, }"
        " process: func(input: packet) -> string; }"
    )


def test_the_example_has_one_description_of_each_interface() -> None:
    for copy in EXAMPLE.glob("*/wit/deps/*.wit"):
        assert copy.read_bytes() == (EXAMPLE / "wit" / copy.name).read_bytes(), copy


def test_names_of_cases_are_unique() -> None:
    names = [case["name"] for case in CASES]

    assert len(names) == len(set(names))
