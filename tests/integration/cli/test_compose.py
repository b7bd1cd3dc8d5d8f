"""What `wisp compose` writes runs where wisp is not: under `wasmtime run` and `wasmtime serve`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.guests.build import component
from tests.integration import wasmtime
from tests.integration.cli.program import wisp
from wisp import native

if TYPE_CHECKING:
    from pathlib import Path

# The first run of all builds the guests.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SAID = ("", "a b", "wörds, 言葉")
PRINTED = "".join(f"{line}\n" for line in (*SAID, "Some((42, 1))"))


def files(folder: Path, *names: str) -> list[Path]:
    """Return copies of built guests, named for what they are."""
    return [shutil.copyfile(component(f"types/{name}"), folder / f"{name}.wasm") for name in names]


def composed(folder: Path, *what: Path) -> Path:
    """Return what `wisp compose` writes."""
    target = folder / "composed.wasm"
    done = wisp("compose", *what, "-o", target, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["path"] == str(target)
    assert document["size"] == target.stat().st_size
    assert all(name.startswith("wasi:") for name in native.interfaces("it", target.read_bytes()).needed)
    return target


def assert_runs(target: Path) -> None:
    """Run the command under wasmtime."""
    done, refused = wasmtime.run(target, *SAID), wasmtime.run(target)

    assert (done.returncode, done.stdout) == (0, PRINTED), done.stderr
    assert refused.returncode == 1


def test_files_run_as_one_command(tmp_path: Path) -> None:
    assert_runs(composed(tmp_path, *files(tmp_path, "rust-command", "rust-keeper", "rust-provider")))


APP = """
app.name = "composed"

[component.command]
source = "rust-command.wasm"

[component.command.link]
"test:types/echo@0.1.0" = "relay"
"test:types/keeping@0.1.0" = "keeper"

[component.relay]
source = "rust-relay.wasm"
link."test:types/echo@0.1.0" = "provider"

[component.keeper]
source = "rust-keeper.wasm"
link."test:types/things@0.1.0" = "provider"

[component.provider]
source = "python-provider.wasm"
"""


def test_an_app_runs_as_one_command(tmp_path: Path) -> None:
    files(tmp_path, "rust-command", "rust-relay", "rust-keeper", "python-provider")
    (tmp_path / "wisp.toml").write_text(APP, encoding="utf-8")

    assert_runs(composed(tmp_path, tmp_path))


def test_files_are_served_as_one(tmp_path: Path) -> None:
    target = composed(tmp_path, *files(tmp_path, "python-front", "rust-provider"))

    with wasmtime.serving(target) as connection:
        connection.request("POST", "/list_text", json.dumps([["list", *SAID]]).encode())
        answer = connection.getresponse()

        assert (answer.status, json.loads(answer.read())) == (200, ["list", *SAID])
