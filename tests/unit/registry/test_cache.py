"""The cache: what is kept comes back whole, or not at all."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from wisp.errors import ArtifactError
from wisp.registry import files
from wisp.registry.cache import Cache, Usage, hex_of

HELLO = b"\0asm hello"
HELLO_DIGEST = f"sha256:{hashlib.sha256(HELLO).hexdigest()}"
INPUTS = f"sha256:{'0' * 64}"
DAY = 86_400.0


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_component_comes_back_by_its_digest(cache: Cache) -> None:
    digest = cache.add(HELLO)

    assert digest == HELLO_DIGEST
    assert cache.has(digest)
    assert cache.read(digest) == HELLO
    assert cache.component(digest) == cache.root / "components/sha256" / f"{hex_of(digest)}.wasm"


def test_adding_a_component_again_writes_nothing(cache: Cache) -> None:
    path = cache.component(cache.add(HELLO))
    before = path.stat().st_ino

    cache.add(HELLO)

    assert path.stat().st_ino == before


def test_a_torn_component_is_written_again_when_it_is_added(cache: Cache) -> None:
    path = cache.component(cache.add(HELLO))
    path.write_bytes(HELLO[:4])

    cache.add(HELLO)

    assert cache.read(HELLO_DIGEST) == HELLO


def test_a_file_can_be_added(cache: Cache, tmp_path: Path) -> None:
    source = tmp_path / "hello.wasm"
    source.write_bytes(HELLO)

    assert cache.add_file(source) == HELLO_DIGEST


def test_a_file_that_is_not_there_cannot_be_added(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"hello\.wasm cannot be read: No such file"):
        cache.add_file(tmp_path / "hello.wasm")


def test_a_missing_component_says_how_to_get_it(cache: Cache) -> None:
    with pytest.raises(ArtifactError, match="has no component") as caught:
        cache.read(HELLO_DIGEST)

    assert caught.value.digest == HELLO_DIGEST
    assert caught.value.hint == "build or fetch it again with `wisp build`"


def test_a_damaged_component_is_removed_and_never_returned(cache: Cache) -> None:
    path = cache.component(cache.add(HELLO))
    path.write_bytes(b"\0asm jello")

    with pytest.raises(ArtifactError, match="was damaged"):
        cache.read(HELLO_DIGEST)

    assert not cache.has(HELLO_DIGEST)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:../../etc/passwd", f"sha256:{'A' * 64}", f"md5:{'0' * 64}"]
)
def test_what_is_no_digest_never_becomes_a_path(cache: Cache, text: str) -> None:
    with pytest.raises(ArtifactError, match="is not a digest"):
        cache.component(text)


def test_a_build_is_remembered_while_its_component_is_there(cache: Cache) -> None:
    digest = cache.add(HELLO)
    cache.remember_build(INPUTS, digest)

    assert cache.built(INPUTS) == digest

    cache.component(digest).unlink()
    assert cache.built(INPUTS) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"digest": 1}', '{"digest": "sha256:12"}', "\0"])
def test_a_broken_note_of_a_build_is_no_note(cache: Cache, content: str) -> None:
    cache.remember_build(INPUTS, cache.add(HELLO))
    (cache.root / "builds" / f"{hex_of(INPUTS)}.json").write_text(content)

    assert cache.built(INPUTS) is None


def test_everything_in_it_belongs_to_its_user_alone(cache: Cache) -> None:
    path = cache.component(cache.add(HELLO))

    assert cache.root.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_cache_that_others_may_write_to_is_refused(cache: Cache) -> None:
    cache.root.chmod(0o770)

    with pytest.raises(ArtifactError, match="others may write") as caught:
        Cache.open(cache.root)

    assert caught.value.hint == f"chmod 700 {cache.root}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_cache_of_another_user_is_refused(cache: Cache) -> None:
    os.chown(cache.root, 65_534, 65_534)

    with pytest.raises(ArtifactError, match="belongs to another user"):
        Cache.open(cache.root)


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ArtifactError, match="cannot be used") as caught:
        Cache.open(tmp_path / "file" / "cache")

    assert caught.value.hint == "set WISP_CACHE_DIR to a folder that can be written"


def test_the_environment_says_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WISP_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert Cache.default_root() == tmp_path / ".cache/wisp"

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert Cache.default_root() == tmp_path / ".cache/wisp"

    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert Cache.default_root() == Path("/var/cache/wisp")

    monkeypatch.setenv("WISP_CACHE_DIR", "/elsewhere")
    assert Cache.default_root() == Path("/elsewhere")


def test_usage_counts_by_kind(cache: Cache) -> None:
    cache.remember_build(INPUTS, cache.add(HELLO))
    (cache.folder("toolchains", "tool") / "program").write_bytes(b"12345")

    kinds = {entry.kind: entry for entry in cache.usage()}

    assert set(kinds) == {"components", "builds", "toolchains"}
    assert kinds["components"] == Usage("components", 1, len(HELLO))
    assert kinds["toolchains"] == Usage("toolchains", 1, 5)


def test_pruning_everything_leaves_what_developers_of_wisp_need(cache: Cache) -> None:
    cache.remember_build(INPUTS, cache.add(HELLO))
    (cache.folder("toolchains") / "program").touch()
    (cache.folder("target") / "library").touch()

    removed = cache.prune()

    assert {entry.kind for entry in removed} == {"components", "builds", "toolchains"}
    assert {entry.kind for entry in cache.usage()} == {"target"}


def test_pruning_by_age_goes_by_the_last_use(cache: Cache) -> None:
    old, used = cache.add(b"old"), cache.add(b"used")
    cache.remember_build(INPUTS, used)
    for path in (cache.component(old), cache.component(used), *(cache.root / "builds").iterdir()):
        age(path, 40 * DAY)
    assert cache.built(INPUTS) == used

    removed = cache.prune(older_than=30 * DAY)

    assert removed == [Usage("components", 1, 3)]
    assert not cache.has(old)
    assert cache.has(used)


def test_pruning_by_age_keeps_an_artifact_whose_record_is_young(cache: Cache) -> None:
    folder = cache.folder("artifacts", "sync-cranelift-0123456789abcdef")
    for name in ("young", "old"):
        for suffix in (".cwasm", ".json"):
            (folder / name).with_suffix(suffix).write_bytes(b"1")
            age((folder / name).with_suffix(suffix), 40 * DAY)
    age(folder / "young.json", 1)

    cache.prune(older_than=30 * DAY)

    assert sorted(path.name for path in folder.iterdir()) == ["young.cwasm", "young.json"]


def test_pruning_by_age_leaves_a_write_under_way_alone(cache: Cache) -> None:
    folder = cache.folder("components", "sha256")
    running, abandoned = (files.temporary(folder / "x") for _ in range(2))
    for path in (running, abandoned):
        path.write_bytes(b"half")
    age(running, 60)
    age(abandoned, 2 * DAY)

    cache.prune(older_than=0)

    assert list(folder.iterdir()) == [running]
