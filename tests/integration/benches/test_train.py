"""What a worker is trained with, so that the wheels' one can be optimised by a profile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import use_rust

TRAIN = Path(__file__).parents[3] / "benches" / "train.py"


@pytest.mark.timeout(600)
def test_everything_that_a_worker_is_trained_with_is_answered_well() -> None:
    use_rust()

    done = subprocess.run(
        [sys.executable, TRAIN, "--times", "1000"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    told = [line.split(":")[1].strip() for line in done.stderr.splitlines() if line.startswith("train: ")]
    assert told == ["requests", "interpreters", "streams", "calls", "stores", "hosts"]
