"""The example of a core module; what its page shows is run by test_pages."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_component_beside_the_module_has_the_interface_of_the_cyber_example() -> None:
    copy = EXAMPLES / "raw-module/component/wit/deps/packets-0.1.wit"

    assert copy.read_bytes() == (EXAMPLES / "cyber/wit/packets-0.1.wit").read_bytes()
