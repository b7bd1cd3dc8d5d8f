"""What is wrong with the stores of an app."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.errors import StoreError
from wisp.host.stores import blobs, found, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wisp.host.stores.found import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    store: str
    """Its title, or the kind of store."""

    problem: str
    hint: str | None = None


def check(state: Path, quotas: Mapping[str, int]) -> Iterator[Finding]:
    """Look through all stores in the state of an app.

    Args:
        state: The folder.
        quotas: By title: the bytes that a store may have.

    """
    for store in found.stores(state):
        yield from _store(store)
        quota = quotas.get(store.title)
        if quota is not None and store.charged > quota:
            more = "raise `limits.store`, or delete something: nothing can be added"
            yield Finding(store.title, f"it has {store.charged} bytes, and may have {quota}", more)
    yield from _leftovers(state)


def _store(store: Store) -> Iterator[Finding]:
    if store.kind == found.BLOBS:
        return
    kind = found.KINDS[store.kind]
    try:
        head = tables.header(store)
        with contextlib.closing(found.connect(store)) as connection:
            complaints = tables.problems(connection)
    except StoreError as error:
        yield Finding(store.title, error.message.removeprefix(f"{store.title}: "))
        return
    yield from (Finding(store.title, complaint) for complaint in complaints)
    if kind.application is not None and head.application != kind.application:
        yield Finding(
            store.title, f"its application id is {head.application:#x} instead of {kind.application:#x}"
        )
    elif kind.newest is not None and (head.format or 0) > kind.newest:
        problem = f"it has format {head.format}, and this wisp knows formats up to {kind.newest}"
        yield Finding(store.title, problem, "use a newer wisp")


def _leftovers(state: Path) -> Iterator[Finding]:
    hint = "nothing needs it: delete it"
    for kind in found.KINDS:
        for path in sorted((state / kind).glob(".*.import-*")):
            if not path.name.endswith(("-wal", "-shm", "-journal")) and found.is_abandoned(path):
                yield Finding(kind, f"an import that was cut short left {path}", hint)
        for path in sorted((state / kind).glob("*.unfinished")):
            yield Finding(kind, f"a backup that was cut short left {path}", hint)
    for path in blobs.leftovers(state / found.BLOBS):
        yield Finding(found.BLOBS, f"something that was killed while it wrote left {path}", hint)
