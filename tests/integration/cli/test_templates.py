"""Each template, as `wisp new` makes it, builds and answers."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import use_rust
from tests.integration.cli.program import WISP, serving, wisp
from wisp.cli import new

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.e2e
@pytest.mark.timeout(900)  # the first run fetches and compiles compilers
@pytest.mark.parametrize("template", new.templates())
def test_a_new_app_builds_and_answers(template: str, tmp_path: Path) -> None:
    if "rust" in template:
        use_rust()
    # The same name each time: the name is in the sources, and what was built once is not built again.
    made = wisp("new", "hello", "--template", template, folder=tmp_path)
    assert made.returncode == 0, made.stderr

    with (
        serving([WISP, "up", "--listen", "127.0.0.1:0"], folder=tmp_path / "hello") as url,
        urllib.request.urlopen(f"{url}/there", timeout=30) as answer,  # noqa: S310 - it is ours
    ):
        assert answer.status == 200
        assert b"ello" in answer.read()
