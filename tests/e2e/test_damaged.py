"""Damaged components that are deployed: the worker that serves them stays, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts import deploying
from scripts.compiling import compile_copies
from scripts.mutations import damaged
from tests.guests.build import component

if TYPE_CHECKING:
    from pathlib import Path

# `python -m scripts.fuzz components WASM` does the same with thousands.
pytestmark = pytest.mark.timeout(900)


def test_a_worker_outlives_the_damaged_components_that_it_serves(tmp_path: Path) -> None:
    good = component("c").read_bytes()
    outcomes = compile_copies(good, range(120))
    components = {f"seed-{seed}": damaged(good, seed) for seed in outcomes.compiled}

    served = deploying.serve(good, components, tmp_path)

    deployed = len(components) - len(served.refused)
    assert outcomes.broken == {}
    assert deployed >= 15
    assert served.said.total() == 2 * deployed
    assert served.steady
    assert served.grown < deploying.GROWTH
