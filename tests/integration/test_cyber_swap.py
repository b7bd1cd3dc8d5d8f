"""The demo of the linked example, on a short round: a processor is swapped for one in another language under load."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from examples.cyber import demo
from examples.service import WISP
from tests.guests.build import use_rust

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """By processor: what its folder is built to."""
    return {}


@pytest.fixture(scope="module")
def swaps(digests: dict[str, str]) -> list[demo.Swap]:
    """The round over the first two processors."""
    use_rust()
    order = demo.processors()[:2]
    with demo.copied() as folder:
        digests.update({processor: digest(folder, processor) for processor in order})
        return list(demo.round_trip(folder, order))


def digest(folder: Path, processor: str) -> str:
    demo.choose(folder, processor)
    built = subprocess.run([WISP, "build", folder, "--json"], check=True, capture_output=True, text=True)
    return str(json.loads(built.stdout)["components"]["processor"]["digest"])


def test_no_request_fails_while_the_processor_is_swapped(swaps: list[demo.Swap]) -> None:
    assert [done.failed for done in swaps] == [[], []]
    assert all(done.meanwhile for done in swaps)


def test_after_each_swap_the_answers_are_those_of_the_table(swaps: list[demo.Swap]) -> None:
    assert [done.wrong for done in swaps] == [[], []]
    assert [len(done.table) for done in swaps] == [len(demo.read_cases())] * 2


def test_after_each_swap_the_host_names_the_component_and_the_language_that_it_serves_now(
    swaps: list[demo.Swap], digests: dict[str, str]
) -> None:
    told = [(done.change["component"], done.change["language"], done.change["digest"]) for done in swaps]

    assert told == [
        ("processor", "python", digests["processor-python"]),
        ("processor", "rust", digests["processor-rust"]),
    ]
    assert len(set(digests.values())) == 2


def test_the_round_begins_with_the_processor_of_the_manifest_and_knows_every_folder() -> None:
    assert demo.processors()[0] == "processor-rust"
    assert set(demo.processors()) == {folder.name for folder in demo.FOLDER.glob("processor-*")}
