"""The door to the core: typed data goes in and out, and the core's errors are ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wisp
from tests.seam import wasm
from wisp import native
from wisp.errors import ArtifactError, ComponentError
from wisp.registry.artifacts import artifact
from wisp.registry.cache import Cache


def test_the_core_has_the_version_of_the_package() -> None:
    assert native.version() == wisp.__version__


@pytest.mark.parametrize("profile", ["sync", "async"])
@pytest.mark.parametrize("strategy", ["cranelift", "winch"])
def test_an_engine_has_a_key_that_can_name_a_folder(
    profile: native.Profile, strategy: native.Strategy
) -> None:
    key = native.engine_key(profile, strategy)

    assert re.fullmatch(f"{profile}-{strategy}-[0-9a-f]{{16}}", key)
    assert native.engine_key(profile, strategy) == key


@pytest.mark.parametrize(
    ("content", "kind"),
    [(wasm.COMPONENT, "component"), (wasm.MODULE, "module"), (b"", "unknown"), (b"#!/bin/sh\n", "unknown")],
)
def test_inspect_tells_what_a_file_is(content: bytes, kind: str) -> None:
    info = native.inspect(content)

    assert info.kind == kind
    assert (info.http, info.command) == (None, None)


def test_a_module_becomes_a_component_of_its_world(tmp_path: Path) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT)

    info = native.inspect(native.encode(wasm.ADD, wit=wit, world="calculator"))

    assert info.kind == "component"
    assert info.exports == ("add",)
    assert info.imports == ()
    assert info.resources.core_instances == 1


def test_a_module_that_lacks_an_export_of_its_world_is_refused(tmp_path: Path) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT)

    with pytest.raises(ComponentError, match="add"):
        native.encode(wasm.MODULE, wit=wit, world="calculator")


def test_what_is_no_component_cannot_be_merged() -> None:
    with pytest.raises(ComponentError):
        native.merge(b"nothing")


@pytest.mark.parametrize(("inside", "outside"), [(0, 0), (1, 1)])
async def test_a_preview_1_program_runs_and_gives_its_exit_code(
    tmp_path: Path, inside: int, outside: int
) -> None:
    cache = Cache.open(tmp_path)
    component = native.preview1_to_component(wasm.program(inside))
    compiled = await artifact(cache, cache.add(component))

    assert compiled.info.command == "0.2"
    assert native.run_command(compiled, name="program") == outside


async def test_a_program_that_is_not_one_of_our_artifacts_is_not_run(tmp_path: Path) -> None:
    cache = Cache.open(tmp_path)
    compiled = await artifact(cache, cache.add(native.preview1_to_component(wasm.program(0))))
    compiled.path.unlink()
    compiled.path.write_bytes(b"\x7fELF" + bytes(compiled.size - 4))

    with pytest.raises(ArtifactError):
        native.run_command(compiled, name="program")


def test_the_compiler_limits_itself() -> None:
    script = (
        "import os, resource\n"
        "from wisp.native.compile import Limits\n"
        "Limits(address_space=2**33, cpu_seconds=60, file_size=2**20, niceness=3).apply()\n"
        "names = ('AS', 'CPU', 'FSIZE', 'CORE')\n"
        "print(*[resource.getrlimit(getattr(resource, f'RLIMIT_{name}')) for name in names], os.nice(0))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    niceness = os.nice(0) + 3
    assert done.stdout == f"({2**33}, {2**33}) (60, 65) ({2**20}, {2**20}) (0, 0) {niceness}\n"


def test_the_compiler_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "wisp.native.compile"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
