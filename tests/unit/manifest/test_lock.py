"""The lock file."""

from __future__ import annotations

import contextlib
import resource
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import ManifestError
from wisp.manifest import lock
from wisp.manifest.load import loads
from wisp.manifest.lock import Dependency, Fetched, Lock, Resolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from wisp.manifest.models import Manifest

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
MANIFEST = f"""\
[app]
name = "app"

[component.remote]
source = {{ url = "https://example.com/a.wasm", digest = "{A}" }}

[component.python]
source = "python"

[profile.debug.component.remote]
source = {{ url = "https://example.com/debug.wasm", digest = "{B}" }}

[profile.debug.component.python]
source = "python-debug"
"""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
LOCKS = st.builds(
    Lock,
    fetched=st.lists(st.builds(Fetched, url=TEXT, digest=st.sampled_from([A, B])), max_size=4).map(tuple),
    resolved=st.lists(
        st.builds(
            Resolved, reference=TEXT, manifest=st.sampled_from([A, B]), component=st.sampled_from([A, B])
        ),
        max_size=4,
    ).map(tuple),
    dependency=st.lists(
        st.builds(
            Dependency, source=TEXT, name=TEXT, version=TEXT, hashes=st.lists(TEXT, max_size=3).map(tuple)
        ),
        max_size=4,
    ).map(tuple),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Return the manifest of an app that takes from outside whatever can be taken."""
    for folder in ("python", "python-debug"):
        (tmp_path / folder).mkdir()
    return loads(MANIFEST, path=tmp_path / "wisp.toml")


@contextlib.contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let writes beyond a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def dependency(source: str, name: str, version: str = "1.0") -> Dependency:
    return Dependency(source=source, name=name, version=version, hashes=(B, A))


@given(LOCKS)
def test_a_written_lock_file_is_read_as_the_same(locked: Lock) -> None:
    read = lock.loads(lock.dumps(locked))

    assert set(read.fetched) == set(locked.fetched)
    assert set(read.dependency) == set(locked.dependency)
    assert lock.dumps(read) == lock.dumps(locked)


@given(LOCKS, st.randoms(use_true_random=False))
def test_the_order_in_which_things_were_found_does_not_matter(locked: Lock, random: Random) -> None:
    fetched, resolved, found = list(locked.fetched), list(locked.resolved), list(locked.dependency)
    for entries in (fetched, resolved, found):
        random.shuffle(entries)

    shuffled = Lock(fetched=tuple(fetched), resolved=tuple(resolved), dependency=tuple(found))
    assert lock.dumps(shuffled) == lock.dumps(locked)


def test_it_covers_all_profiles_and_is_the_same_in_each(manifest: Manifest, tmp_path: Path) -> None:
    debug = loads(MANIFEST, path=tmp_path / "wisp.toml", profile="debug")

    plain = lock.update(Lock(), manifest, {"python": [dependency("", "jinja2")]})
    both = lock.update(plain, debug, {"python-debug": [dependency("", "flask")]})

    assert {entry.url for entry in both.fetched} == {
        "https://example.com/a.wasm",
        "https://example.com/debug.wasm",
    }
    assert [(entry.source, entry.name) for entry in both.dependency] == [
        ("python", "jinja2"),
        ("python-debug", "flask"),
    ]
    assert lock.dumps(lock.update(both, manifest, {"python": [dependency("", "jinja2")]})) == lock.dumps(both)


def test_pins_of_what_the_manifest_no_longer_names_are_dropped(manifest: Manifest) -> None:
    before = Lock(dependency=(dependency("gone", "flask"), dependency("python", "jinja2")))

    after = lock.update(before, manifest, {})

    assert after.pins("gone") == ()
    assert [entry.name for entry in after.pins("python")] == ["jinja2"]


def test_pins_of_a_folder_are_replaced_as_a_whole_and_their_hashes_are_sorted(manifest: Manifest) -> None:
    before = Lock(dependency=(dependency("python", "flask"), dependency("python", "jinja2")))

    after = lock.update(before, manifest, {"python": [dependency("", "jinja2", "2.0")]})

    assert [(entry.name, entry.version, entry.hashes) for entry in after.pins("python")] == [
        ("jinja2", "2.0", (A, B))
    ]


def test_it_is_toml_for_people(manifest: Manifest) -> None:
    text = lock.dumps(lock.update(Lock(), manifest, {"python": [dependency("", "jinja2")]}))

    assert text.startswith("# What this app takes from outside")
    assert tomllib.loads(text)["dependency"] == [
        {"source": "python", "name": "jinja2", "version": "1.0", "hashes": [A, B]}
    ]


def test_it_is_written_once_and_then_left_alone(manifest: Manifest) -> None:
    path = lock.lock_path(manifest)
    locked = lock.update(lock.read_lock(path), manifest, {})

    assert lock.write_lock(path, locked)
    first = path.stat()

    assert not lock.write_lock(path, locked)
    assert path.stat().st_ino == first.st_ino
    assert first.st_mode & 0o777 == 0o644
    assert lock.dumps(lock.read_lock(path)) == lock.dumps(locked)
    assert [file.name for file in path.parent.glob("*lock*")] == ["wisp.lock"]


def test_an_app_that_takes_nothing_from_outside_has_no_lock_file(manifest: Manifest) -> None:
    path = lock.lock_path(manifest)

    assert not lock.write_lock(path, Lock())
    assert not path.exists()

    lock.write_lock(path, lock.update(Lock(), manifest, {}))
    assert lock.write_lock(path, Lock())
    assert not path.exists()


def test_locked_refuses_a_change_and_says_which(manifest: Manifest) -> None:
    path = lock.lock_path(manifest)
    before = lock.update(Lock(), manifest, {"python": [dependency("", "jinja2")]})
    lock.write_lock(path, before)
    after = lock.update(before, manifest, {"python": [dependency("", "jinja2", "2.0")]})

    assert not lock.write_lock(path, before, locked=True)
    with pytest.raises(ManifestError, match=r"jinja2 1\.0 of python is gone; jinja2 2\.0 of python is new"):
        lock.write_lock(path, after, locked=True)

    assert lock.dumps(lock.read_lock(path)) == lock.dumps(before)


def test_changed_hashes_are_a_change_with_words(manifest: Manifest) -> None:
    before = Lock(dependency=(Dependency(source="python", name="a", version="1", hashes=(A,)),))
    after = Lock(dependency=(Dependency(source="python", name="a", version="1", hashes=(B,)),))

    assert lock.changes(before, after) == ["a 1 of python has other files"]


def test_a_lock_file_is_replaced_whole_or_stays_as_it_was(manifest: Manifest) -> None:
    path = lock.lock_path(manifest)
    lock.write_lock(path, Lock(fetched=(Fetched(url="a", digest=A),)))
    before = path.read_bytes()

    with no_file_longer_than(100), pytest.raises(ManifestError, match=r"cannot write .*: File too large"):
        lock.write_lock(path, lock.update(Lock(), manifest, {}))

    assert path.read_bytes() == before
    assert [file.name for file in path.parent.glob("*lock*")] == ["wisp.lock"]


@pytest.mark.parametrize(
    "text", ["schema = 2\n", "schema = 1\nfoo = 1\n", "schema", 'schema = 1\n[[fetched]]\nurl = "a"\n', "\0"]
)
def test_what_is_no_lock_file_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "wisp.lock").write_text(text)

    with pytest.raises(ManifestError, match="is not a lock file of this version of wisp") as caught:
        lock.read_lock(tmp_path / "wisp.lock")

    assert caught.value.path == tmp_path / "wisp.lock"


def test_a_lock_file_that_cannot_be_read_or_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "wisp.lock").mkdir()

    with pytest.raises(ManifestError, match=r"cannot read .*Is a directory"):
        lock.read_lock(tmp_path / "wisp.lock")
    with pytest.raises(ManifestError, match=r"cannot write .*: No such file or directory"):
        lock.write_lock(tmp_path / "nowhere" / "wisp.lock", Lock(fetched=(Fetched(url="a", digest=A),)))


def test_a_reference_is_understood_once_and_forgotten_with_the_last_that_names_it(manifest: Manifest) -> None:
    text = MANIFEST.replace('"python"', '"oci://ghcr.io/acme/auth:1"')
    naming = loads(text, path=manifest.path)
    entry = Resolved(reference="ghcr.io/acme/auth:1", manifest=A, component=B)

    locked = lock.update(Lock(), naming, {}, [entry])

    assert lock.update(locked, naming, {}).resolved == (entry,)
    assert (
        lock.update(locked, naming, {}, [entry.model_copy(update={"manifest": B})]).resolved[0].manifest == B
    )
    assert lock.update(locked, manifest, {}).resolved == ()
    assert f"ghcr.io/acme/auth:1 ({A}) is new" in lock.changes(Lock(), locked)
