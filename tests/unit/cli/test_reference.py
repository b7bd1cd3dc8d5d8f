"""The reference of the command line is what the parsers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "cli.md"


def test_the_page_is_what_the_generator_writes() -> None:
    written = subprocess.run(
        [sys.executable, "-m", "wisp.cli.reference"], capture_output=True, text=True, check=True
    )

    assert PAGE.read_text(encoding="utf-8") == written.stdout, (
        "run: python -m wisp.cli.reference > docs/reference/cli.md"
    )
