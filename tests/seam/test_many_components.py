"""An app of many components: each binary is looked at and compiled once, and few compilers run at a time."""

from pathlib import Path

import pytest

from tests.seam import wasm
from wisp.cli import assemble
from wisp.cli.prepared import PrepareOptions
from wisp.errors import ComponentError
from wisp.native import Strategy
from wisp.registry import compiler
from wisp.registry.artifacts import COMPILERS
from wisp.registry.compositions import firsts

BINARIES = 5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app of ten components, each two of them the same."""
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    tables = ['app.name = "many"\n']
    for number in range(2 * BINARIES):
        content = wasm.COMPONENT + wasm.section(0, wasm.name("number") + bytes([number % BINARIES]))
        (tmp_path / f"{number}.wasm").write_bytes(content)
        tables.append(f'[component.one-{number}]\nsource = "{number}.wasm"\n')
    (tmp_path / "wisp.toml").write_text("\n".join(tables), encoding="utf-8")
    return tmp_path


async def test_of_many_components_few_are_compiled_at_a_time_and_each_binary_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = 0
    at_once: list[int] = []
    told: list[str] = []
    run = compiler.run

    async def counted(component: Path, output: Path, strategy: Strategy, *, room: int) -> object:
        nonlocal running
        running += 1
        at_once.append(running)
        try:
            return await run(component, output, strategy, room=room)
        finally:
            running -= 1

    monkeypatch.setattr(compiler, "run", counted)

    with pytest.raises(ComponentError, match="one-0"):  # none of them serves HTTP
        await assemble.assemble(folder, PrepareOptions(), told.append)

    assert len(at_once) == BINARIES
    assert max(at_once) == COMPILERS
    assert sorted(told) == [f"one-{number}: compiling with Cranelift" for number in range(BINARIES)]


def test_a_binary_is_told_of_by_the_first_component_that_has_it() -> None:
    assert firsts({"a": "x", "b": "y", "c": "x"}) == {"x": "a", "y": "b"}
