"""A component's description survives its way through JSON."""

import json

import pytest

from wisp.native import ComponentInfo, Resources

INFO = ComponentInfo(
    kind="component",
    http="0.2",
    command=None,
    profile="sync",
    imports=("wasi:http/types@0.2.3",),
    exports=("wasi:http/incoming-handler@0.2.3",),
    producers={"language": ("Rust",)},
    resources=Resources(core_instances=3, memories=1, tables=1, table_elements=40),
)


def test_a_description_comes_back_equal() -> None:
    assert ComponentInfo.from_json(json.loads(json.dumps(INFO.to_json()))) == INFO


@pytest.mark.parametrize("broken", [{}, {"kind": "component"}, {**INFO.to_json(), "new": 1}])
def test_what_is_no_description_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        ComponentInfo.from_json(broken)
