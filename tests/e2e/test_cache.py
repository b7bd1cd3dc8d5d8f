"""A cache whose disk is full, or whose files are not what they were."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM, Host, environment
from tests.e2e.wire import get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOUNT = 'mount -t tmpfs -o mode=700,size="$1" none "$2" && shift 2 && exec "$@"'


def can_mount(folder: Path) -> bool:
    """Whether we may mount a small disk, in a namespace of our own."""
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", "64k", folder, "true")
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def folder(tmp_path: Path, http2: Path) -> Path:
    """A folder with one component, and beside it an empty cache."""
    (tmp_path / "app").mkdir()
    (tmp_path / "cache").mkdir(mode=0o700)
    shutil.copyfile(http2, tmp_path / "app" / "hello.wasm")
    return tmp_path


def up(folder: Path, *words: str | Path, **variables: str) -> Host:
    return Host(*words, folder=folder / "app", variables=environment(folder / "cache", **variables))


FULL = """\
error: there is no room for {amount} MiB on the disk of the cache: {folder}
  hint: make room with `wisp cache prune`, or set WISP_CACHE_DIR to a folder on another disk
"""


@pytest.mark.parametrize(
    ("size", "amount", "kind", "said"),
    [
        # A disk that has no room for the component, and one that has none for what is compiled of it.
        (0.5, 1, "components/sha256", ""),
        (1.5, 3, "artifacts", "hello: compiling with Cranelift\n"),
    ],
    ids=["the component", "the artifact"],
)
def test_a_full_disk_is_said_with_what_to_do(
    folder: Path, size: float, amount: int, kind: str, said: str
) -> None:
    cache = folder / "cache"
    component = folder / "app" / "hello.wasm"
    length = component.stat().st_size
    if can_mount(cache):
        room = f"{round(length * size)}"
        small = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", room, str(cache)]
    else:
        # Without a disk of its own, a limit on the size of files does.
        small = ["sh", "-c", f'ulimit -f {round(length * size) // 512} && exec "$@"', "sh"]

    done = subprocess.run(
        [*small, PROGRAM, "up", component, "--listen", "127.0.0.1:0"],
        env=environment(cache),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    expected = FULL.format(amount=f"{amount * length / 2**20:.1f}", folder=cache / kind)
    assert done.stderr == said + expected
    assert (done.returncode, done.stdout) == (1, "")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Write something else of the same length."""
    path.write_bytes(b"\0" * path.stat().st_size)


def overwrite_unnoticed(path: Path) -> None:
    """Damage it as a failing disk does: neither length nor time tell."""
    status = path.stat()
    overwrite(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("damage", [truncate, overwrite, overwrite_unnoticed])
def test_a_damaged_artifact_is_compiled_anew_and_served(folder: Path, damage: Callable[[Path], None]) -> None:
    with up(folder) as host:
        first = get(host.address, "/").text
    (artifact,) = (folder / "cache").rglob("*.cwasm")
    content = artifact.read_bytes()
    artifact.chmod(0o600)
    damage(artifact)
    assert artifact.read_bytes() != content
    artifact.chmod(0o400)

    with up(folder) as host:
        second = get(host.address, "/").text
        said = [*host.stderr.splitlines(), *(line.get("event") for line in host.lines)]

    assert first == second == "Hello, world!"
    assert {"hello: compiling with Cranelift", "artifact-refused"} & set(said)
    assert artifact.read_bytes() == content


def test_an_artifact_that_others_may_write_is_not_loaded(folder: Path) -> None:
    with up(folder) as host:
        get(host.address, "/")
    (artifact,) = (folder / "cache").rglob("*.cwasm")
    artifact.chmod(0o666)

    with up(folder) as host:
        answer = get(host.address, "/").text
        said = host.stderr

    assert answer == "Hello, world!"
    assert said == "hello: compiling with Cranelift\n"
    assert artifact.stat().st_mode & 0o777 == 0o400


def test_a_component_that_is_gone_from_the_cache_is_kept_again(folder: Path) -> None:
    with up(folder) as host:
        get(host.address, "/")
    shutil.rmtree(folder / "cache" / "components")

    with up(folder) as host:
        answer = get(host.address, "/").text

    assert answer == "Hello, world!"


@pytest.mark.parametrize(
    "words", [(), ("./",), ("../app",)], ids=["this folder", "with a slash", "elsewhere"]
)
def test_a_start_where_nothing_has_changed_loads_nothing_that_is_slow(
    folder: Path, words: tuple[str, ...]
) -> None:
    with up(folder, *words) as host:
        get(host.address, "/")
    with up(folder, *words, PYTHONPROFILEIMPORTTIME="1") as host:
        get(host.address, "/")
        loaded = {line.rpartition("|")[2].strip() for line in host.stderr.splitlines()}

    assert "wisp.cli.memory" in loaded
    assert not loaded & {
        "pydantic",
        "wisp._core",
        "wisp.cli.assemble",
        "wisp.manifest.models",
        "rich",
        "httpx",
    }
