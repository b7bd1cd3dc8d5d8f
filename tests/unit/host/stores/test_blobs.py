"""Containers of blobs, written out and read in."""

from __future__ import annotations

import fcntl
import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wisp.errors import StoreError
from wisp.host.stores import blobs, found, lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.host.stores.found import Store


def make(state: Path, name: str, objects: Mapping[str, bytes]) -> Store:
    store = found.named(state, f"blobstore/{name}")
    store.path.mkdir(parents=True, exist_ok=True)
    for each, content in objects.items():
        (store.path / found.file_name(each)).write_bytes(content)
    return store


def content(store: Store) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in found.objects(store.path)}


def exported(store: Store) -> bytes:
    stream = io.BytesIO()
    lines.write(*blobs.dump(store), stream)
    return stream.getvalue()


def imported(store: Store, text: bytes, *, replace: bool = False) -> int:
    return blobs.load(store, *lines.read(io.BytesIO(text)), replace=replace)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
COUNT = iter(range(1_000_000))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(objects=st.dictionaries(NAMES, st.binary(max_size=300), max_size=6))
def test_any_objects_come_back_as_they_were(tmp_path: Path, objects: dict[str, bytes]) -> None:
    state = tmp_path / str(next(COUNT))
    store = make(state, "from", objects)

    copy = found.named(state, "blobstore/to")
    assert imported(copy, exported(store)) == len(objects)

    assert content(copy) == content(store)
    assert {json.loads(line).get("blob") for line in exported(copy).splitlines()} - {None} == set(objects)


def test_a_large_object_takes_several_lines(tmp_path: Path) -> None:
    large = os.urandom(200_000)
    store, copy = make(tmp_path, "from", {"large": large}), found.named(tmp_path, "blobstore/to")

    text = exported(store)
    imported(copy, text)

    assert len(text.splitlines()) == 3 + -(-200_000 // blobs.CHUNK)
    assert content(copy) == {"large": large}


def test_what_a_container_has_is_written_down_for_its_quota(tmp_path: Path) -> None:
    text = exported(make(tmp_path, "from", {"none": b"", "one": b"1", "more": bytes(4097)}))
    copy = found.named(tmp_path, "blobstore/to")

    imported(copy, text)

    assert (tmp_path / "blobstore" / ".used" / "to").read_text() == f"{4 * 4096:020}\n"
    assert copy.charged == 4 * 4096


def test_a_container_that_is_not_empty_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    text = exported(make(tmp_path, "from", {"new": b"2"}))
    store = make(tmp_path, "to", {"old": b"1"})

    with pytest.raises(StoreError, match="blobstore/to is not empty"):
        imported(store, text)
    assert content(store) == {"old": b"1"}

    assert imported(store, text, replace=True) == 1
    assert content(store) == {"new": b"2"}
    assert sorted(path.name for path in store.path.parent.iterdir()) == [".used", "from", "to"]


def test_the_lock_of_the_core_is_waited_for(tmp_path: Path) -> None:
    text = exported(make(tmp_path, "from", {"new": b"2"}))
    store = make(tmp_path, "to", {})
    (tmp_path / "blobstore" / ".used").mkdir()
    with (tmp_path / "blobstore" / ".used" / "to").open("w") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        child = os.fork()
        if child == 0:
            imported(store, text)
            os._exit(0)
        # It can only wait: whatever it does before, the container stays as it is.
        while not any(path.name.startswith(".import-") for path in store.path.parent.iterdir()):
            assert os.waitpid(child, os.WNOHANG) == (0, 0)
        assert content(store) == {}
        fcntl.flock(ledger, fcntl.LOCK_UN)  # closing it would not do: the child has it open too
    assert os.waitpid(child, 0)[1] == 0
    assert content(store) == {"new": b"2"}


def test_nothing_that_is_not_all_of_a_container_changes_one(tmp_path: Path) -> None:
    text = exported(make(tmp_path, "from", {"new": b"22", "newer": b"3"}))
    store = make(tmp_path, "to", {"old": b"1"})
    head, new, bytes_of_it, *rest = text.splitlines(keepends=True)
    wrong = {
        text.replace(
            b'"kind":"blobstore"', b'"kind":"keyvalue"'
        ): "a store of the kind keyvalue cannot become one",
        text.replace(b'"size":2', b'"size":1'): "line 3: there are more bytes than the object has",
        text.replace(b'"size":2', b'"size":3'): "line 4: it is nothing that a container has",
        text.replace(b"newer", b"new"): "line 4: an object comes twice",
        text.replace(b'"newer"', b'""'): "line 4: the name of an object or container has 1 to 250 bytes",
        text.replace(b"newer", b"n" * 251): "line 4: the name of an object or container has 1 to 250 bytes",
        b"".join([head, bytes_of_it, new, *rest]): "line 2: it is nothing that a container has",
        **{text[:at]: "" for at in range(0, len(text) - 1, 11)},
    }

    for each, complaint in wrong.items():
        with pytest.raises(StoreError) as caught:
            imported(store, each, replace=True)
        assert complaint in caught.value.message

    assert content(store) == {"old": b"1"}
    assert [path.name for path in store.path.parent.glob(".import-*")] == []


def test_the_name_of_an_object_never_leads_elsewhere(tmp_path: Path) -> None:
    text = exported(make(tmp_path, "from", {"x": b"1"})).replace(b'"blob":"x"', b'"blob":"../../x"')
    copy = found.named(tmp_path, "blobstore/to")

    imported(copy, text)

    assert content(copy) == {"%2E.%2F..%2Fx": b"1"}
