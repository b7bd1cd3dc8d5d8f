"""Damaged files: components are refused or compiled, artifacts are never loaded.

`WISP_FUZZ_EXAMPLES=10000` tries more than the few that every run does; `scripts/fuzz.py` does the same in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.mutations import mutated
from tests.seam import wasm
from wisp import native
from wisp.errors import ComponentError
from wisp.registry.artifacts import artifact, find
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

FUZZ = settings(
    max_examples=int(os.environ.get("WISP_FUZZ_EXAMPLES", "200")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
pytestmark = pytest.mark.timeout(0)


@FUZZ
@given(st.integers(0, 2**32))
def test_a_damaged_component_is_described_or_refused(seed: int) -> None:
    try:
        info = native.inspect(mutated(wasm.COMPONENT, seed))
    except ComponentError as error:
        assert error.message  # noqa: PT017 - either is right
    else:
        assert info.kind in {"component", "module", "unknown"}


@FUZZ
@given(st.integers(0, 2**32))
def test_a_damaged_artifact_is_not_used(tmp_path: Path, seed: int) -> None:
    cache = Cache.open(tmp_path / "cache")
    digest = cache.add(wasm.COMPONENT)
    good = asyncio.run(artifact(cache, digest))
    content = good.path.read_bytes()
    damaged = mutated(content, seed)

    good.path.chmod(0o600)
    good.path.write_bytes(damaged)
    good.path.chmod(0o400)

    found = find(cache, digest)
    assert (found is not None) == (damaged == content)
    if found is None:
        assert asyncio.run(artifact(cache, digest)).path.read_bytes() == content
