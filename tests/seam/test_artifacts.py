"""Artifacts: compiled once, and loaded only when they are exactly what was compiled."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.seam import wasm
from wisp import native
from wisp.errors import ArtifactError, ComponentError
from wisp.registry import artifacts
from wisp.registry.artifacts import artifact, find, forget
from wisp.registry.cache import Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


@pytest.fixture
def digest(cache: Cache) -> str:
    return cache.add(wasm.COMPONENT)


async def test_a_component_is_compiled_once(cache: Cache, digest: str) -> None:
    said: list[str] = []

    first = await artifact(cache, digest, report=said.append)
    second = await artifact(cache, digest, report=said.append)

    assert first == second
    assert said == [f"compiling {digest[:19]} with Cranelift"]


async def test_an_artifact_knows_what_its_component_is(cache: Cache, digest: str) -> None:
    found = await artifact(cache, digest)

    assert found.info == native.inspect(wasm.COMPONENT)
    assert found.profile == "sync"
    assert found.strategy == "cranelift"
    assert found.path.parent == cache.root / "artifacts" / native.engine_key("sync", "cranelift")
    assert found.path.stat().st_size == found.size
    assert found.path.stat().st_mode & 0o777 == 0o400


async def test_each_compiler_has_its_own_artifacts(cache: Cache, digest: str) -> None:
    slow, quick = await artifact(cache, digest, "cranelift"), await artifact(cache, digest, "winch")

    assert slow.path != quick.path


async def test_nothing_is_left_behind_by_compiling(cache: Cache, digest: str) -> None:
    found = await artifact(cache, digest)

    left = {path.relative_to(cache.root) for path in cache.root.rglob("*") if path.is_file()}
    kept = {cache.component(digest), found.path, found.path.with_suffix(".json")}
    assert left == {path.relative_to(cache.root) for path in kept}


def truncate(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    path.chmod(0o400)


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)


def let_others_write(path: Path) -> None:
    path.chmod(0o666)


def link_elsewhere(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def make_a_folder_of_it(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_a_pipe_of_it(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def remove(path: Path) -> None:
    path.unlink()


def remove_the_record(path: Path) -> None:
    path.with_suffix(".json").unlink()


def break_the_record(path: Path) -> None:
    path.with_suffix(".json").write_text('{"schema": 1')


def age_the_record(path: Path) -> None:
    record = path.with_suffix(".json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 0}))


def confuse_the_record(path: Path) -> None:
    record = path.with_suffix(".json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "digest": f"sha256:{'0' * 64}"}))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        change_a_byte,
        let_others_write,
        link_elsewhere,
        make_a_pipe_of_it,
        remove,
        remove_the_record,
        break_the_record,
        age_the_record,
        confuse_the_record,
    ],
)
async def test_what_is_not_to_be_trusted_is_compiled_anew(
    cache: Cache, digest: str, damage: Callable[[Path], None]
) -> None:
    good = await artifact(cache, digest)
    content = hashlib.sha256(good.path.read_bytes()).hexdigest()
    damage(good.path)

    assert find(cache, digest) is None
    mended = await artifact(cache, digest)

    assert hashlib.sha256(mended.path.read_bytes()).hexdigest() == content
    assert find(cache, digest) == mended


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_an_artifact_of_another_user_is_not_trusted(cache: Cache, digest: str) -> None:
    os.chown((await artifact(cache, digest)).path, 65_534, 65_534)

    assert find(cache, digest) is None


async def test_a_folder_in_its_place_is_an_error_that_names_it(cache: Cache, digest: str) -> None:
    good = await artifact(cache, digest)
    make_a_folder_of_it(good.path)

    with pytest.raises(ArtifactError, match=r"the cache cannot be used: .*\.cwasm"):
        await artifact(cache, digest)


async def test_a_copy_of_the_cache_is_compared_once_and_then_known(
    cache: Cache, digest: str, tmp_path: Path
) -> None:
    good = await artifact(cache, digest)
    os.utime(good.path, (1, 1))

    assert find(cache, digest) == good
    assert json.loads(good.path.with_suffix(".json").read_text())["mtime_ns"] == 1_000_000_000


async def test_two_who_want_the_same_artifact_compile_it_once(cache: Cache, digest: str) -> None:
    said: list[str] = []

    first, second = await asyncio.gather(
        artifact(cache, digest, report=said.append), artifact(cache, digest, report=said.append)
    )

    assert first == second
    assert len(said) == 1


async def test_several_artifacts_come_by_digest(cache: Cache, digest: str, tmp_path: Path) -> None:
    wit = tmp_path / "add.wit"
    wit.write_text(wasm.ADD_WIT)
    other = cache.add(native.encode(wasm.ADD, wit=wit, world="calculator"))

    found = await artifacts.artifacts(cache, [digest, other, digest])

    assert list(found) == [digest, other]
    assert [entry.digest for entry in found.values()] == [digest, other]


async def test_a_forgotten_artifact_is_compiled_again(cache: Cache, digest: str) -> None:
    await artifact(cache, digest)

    forget(cache, digest)
    forget(cache, digest)

    assert find(cache, digest) is None
    again = await artifact(cache, digest)
    assert find(cache, digest) == again


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (wasm.MODULE, "this is a core WebAssembly module, not a component"),
        (b"hello", "this is not a WebAssembly file"),
    ],
)
async def test_what_is_no_component_is_not_compiled(cache: Cache, content: bytes, said: str) -> None:
    digest = cache.add(content)

    with pytest.raises(ComponentError) as caught:
        await artifact(cache, digest)

    assert caught.value.message == said
    assert caught.value.hint


async def test_a_component_with_rubbish_in_it_is_refused(cache: Cache) -> None:
    digest = cache.add(wasm.COMPONENT + b"\xff\x7f")

    with pytest.raises(ComponentError):
        await artifact(cache, digest)


async def test_a_damaged_component_is_not_compiled(cache: Cache, digest: str) -> None:
    cache.component(digest).write_bytes(wasm.COMPONENT + b"\0\1\0")

    with pytest.raises(ArtifactError, match="was damaged"):
        await artifact(cache, digest)


def in_a_small_cache(tmp_path: Path, *, size: int, component: bytes) -> subprocess.CompletedProcess[str]:
    """Compile a component with a cache on a disk of that size, in a process that has that disk to itself."""
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from wisp.errors import WispError; from wisp.registry.artifacts import artifact\n"
        "from wisp.registry.cache import Cache\n"
        "try:\n"
        "    cache = Cache.open(Path(sys.argv[1]) / 'cache')\n"
        "    asyncio.run(artifact(cache, cache.add_file(Path(sys.argv[2]))))\n"
        "except WispError as error:\n"
        "    print(type(error).__name__, error.message, error.hint, sep='\\n')\n"
    )
    (tmp_path / "disk").mkdir()
    (tmp_path / "input.wasm").write_bytes(component)
    mounted = f'mount -t tmpfs -o size={size} none "$1" && exec "$0" -c "$3" "$1" "$2"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted]
    return subprocess.run(
        [*words, sys.executable, tmp_path / "disk", tmp_path / "input.wasm", script],
        capture_output=True,
        text=True,
        check=False,
    )


def can_mount() -> bool:
    words = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]  # noqa: S108
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(words, capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not can_mount(), reason="this machine allows no file systems of one's own")
@pytest.mark.parametrize("size", [16_384, 176_128])
def test_a_full_disk_says_what_is_needed_and_how_to_get_it(tmp_path: Path, size: int) -> None:
    component = wasm.COMPONENT + b"".join(
        b"\x00" + bytes([0xFF, 0xFF, 0x01]) + b"\x01x" + bytes(0x7FFF - 2) for _ in range(5)
    )

    done = in_a_small_cache(tmp_path, size=size, component=component)

    kind, message, hint = done.stdout.splitlines()
    assert kind == "ArtifactError"
    assert message.startswith("there is no room for ")
    assert str(tmp_path / "disk" / "cache") in message
    assert hint.startswith("make room with `wisp cache prune`")


async def test_giving_up_ends_the_compiler(cache: Cache, digest: str) -> None:
    task = asyncio.create_task(artifact(cache, digest))
    locks = cache.root / "locks"
    async with asyncio.timeout(10):
        while not locks.is_dir() or not any(locks.iterdir()):  # noqa: ASYNC110 - a file, not an event
            await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list(locks.iterdir()) == []
    assert list(cache.folder("artifacts").iterdir()) == []
