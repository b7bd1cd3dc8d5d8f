"""Apps of Spin whose components depend on others: composed, served as they are, and served when converted."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import get
from tests.guests.build import component

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guests.build import Name

# The first run builds the guests, and compiles them.
pytestmark = pytest.mark.timeout(900)

APP = """
spin_manifest_version = 2
application = {{ name = "shop" }}

[[trigger.http]]
route = "/..."
component = "caller"

[component.caller]
source = "caller.wasm"
environment = {{ SECRET = "of the caller" }}
key_value_stores = ["default"]
variables = {{ token = "the caller's" }}

[component.caller.dependencies]
{dependencies}

[component.vault]
source = "vault.wasm"
"""
FILES: dict[str, Name] = {
    "caller.wasm": "spies/rust-caller",
    "libs/spy.wasm": "spies/rust-spy",
    "vault.wasm": "spies/rust-vault",
}
NOTHING = """
"test:spying/spy@0.1.0" = { path = "libs/spy.wasm" }
"test:spying/vault@0.1.0" = { component = "vault" }
"""
EVERYTHING = """
"test:spying/spy@0.1.0" = { path = "libs/spy.wasm", export = "test:spying/spy@0.1.0", inherit_configuration = true }
"test:spying/vault" = { component = "vault", export = "test:spying/vault@0.1.0" }
"""
SOME = """
"test:spying/spy" = { path = "libs/spy.wasm", inherit_configuration = ["environment", "variables"] }
"test:spying/vault" = { path = "vault.wasm", export = "test:spying/vault@0.1.0" }
"""
CASES = {
    NOTHING: ("nothing: environment variable not found", "nothing: no value", "nothing: "),
    EVERYTHING: ("got of the caller", "got the caller's", "got a store"),
    SOME: ("got of the caller", "got the caller's", "nothing: "),
}


def write(folder: Path, dependencies: str) -> Path:
    """Write an app whose front calls two others."""
    for file, name in FILES.items():
        (folder / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(component(name), folder / file)
    (folder / "spin.toml").write_text(APP.format(dependencies=dependencies), encoding="utf-8")
    return folder


def answers(folder: Path, cache: Path) -> list[str]:
    """Serve the app, and return what the front got itself, then what came through its dependencies."""
    paths = (
        "/own/environment?SECRET",
        "/own/open?default",
        "/vault",
        "/spy/environment?SECRET",
        "/spy/configured?token",
        "/spy/open?default",
    )
    with Host("--workers", "1", folder=folder, variables=environment(cache)) as host:
        return [get(host.address, path).text for path in paths]


@pytest.mark.parametrize("dependencies", CASES, ids=["nothing", "everything", "some"])
def test_a_dependency_answers_with_what_it_inherits_and_so_it_does_when_converted(
    dependencies: str, tmp_path: Path, cache: Path
) -> None:
    folder = write(tmp_path, dependencies)

    spin = answers(folder, cache)
    subprocess.run([PROGRAM, "convert"], cwd=folder, env=environment(cache), check=True, capture_output=True)
    (folder / "spin.toml").unlink()
    ours = answers(folder, cache)

    *own, secret, token, store = spin
    assert own == ["got of the caller", "got a store", "open sesame"]
    assert (secret, token) == CASES[dependencies][:2]
    assert store.startswith(CASES[dependencies][2])
    assert ours == spin
