"""What a host removes from its folder, and what it keeps."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from wisp.lattice.configuration import Configuration, Secret
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.records import App, Assignment, Placed, Wishes
from wisp.lattice.running.remembered import Remembered
from wisp.lattice.running.tidying import Tidying
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * 3600


class Place:
    """A host's folder with versions of an app in it."""

    def __init__(self, folder: Path) -> None:
        self.remembered = Remembered(folder / "host")
        self.cache = Cache.open(folder / "cache")
        self.tidying = Tidying(self.remembered, self.cache)

    def version(self, number: int, *, revision: int = 1) -> App:
        """Have all that a version of the app brings to a host."""
        component = self.cache.add(f"component {number}".encode())
        self.remembered.note_fetched(component)
        folder = digest_of(f"folder {number}".encode())
        self.remembered.unpacked_path(folder).mkdir(parents=True)
        self.remembered.packed_path(folder).write_bytes(b"tar")
        locked = json.dumps({"component": component, "folder": folder}).encode()
        self.remembered.keep_locked(locked)
        secret = Secret(id=f"{number:032x}", value="", at=0)
        configured = Configuration(app="shop", version=number, at=0, change="", secrets={"token": secret})
        self.remembered.keep_configuration(configured.to_bytes())
        self.remembered.keep_sealed(secret.id, b"{}")
        return App(
            name="shop",
            revision=revision,
            digest=digest_of(locked),
            version="1",
            wishes=Wishes(),
            since=0,
            configuration=digest_of(configured.to_bytes()),
        )

    def there(self) -> set[str]:
        folder = self.remembered.folder
        names = ("locked", "configurations", "folders", "sealed", "fetched")
        found = {f"{name}/{path.name}" for name in names for path in (folder / name).glob("*")}
        return found | {path.name for path in (self.cache.root / "components" / "sha256").glob("*")}

    def age(self, seconds: float) -> None:
        """Let time go by."""
        for top in (self.remembered.folder, self.cache.root):
            for path in [*top.rglob("*")]:
                moment = path.stat().st_mtime - seconds
                os.utime(path, (moment, moment))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_an_earlier_version_brought_goes_a_day_after_it_was_needed_last(place: Place) -> None:
    old = place.version(1)
    place.remembered.keep_desired({"shop": old})
    only_old = place.there()
    place.age(10 * DAY)
    used = place.tidying.tidy((), DAY)
    new = place.version(2, revision=2)
    place.remembered.keep_desired({"shop": new})
    both = place.there()

    soon = place.tidying.tidy((), DAY)
    place.age(2 * DAY)
    later = place.tidying.tidy((), DAY)

    assert (used, soon, later) == (0, 0, len(only_old) - 1)  # a component and its mark are one
    assert place.there() == both - only_old


def test_what_is_served_or_assigned_stays_whatever_its_age(place: Place) -> None:
    served, assigned = place.version(1), place.version(2)
    placed = Placed(app="shop", revision=1, digest=assigned.digest, hosts=("a",))
    place.remembered.keep_assignment(Assignment(lattice="l", number=1, epoch=1, planner="a", apps=(placed,)))
    place.age(10 * DAY)

    place.tidying.tidy([served.digest], DAY)

    left = place.there()
    assert {f"locked/{one.digest.partition(':')[2]}.json" for one in (served, assigned)} <= left
    assert sum(name.endswith(".wasm") for name in left) == 2
    assert not any(name.startswith("configurations") for name in left)  # no record names them


def test_what_a_deleted_app_brought_goes(place: Place) -> None:
    app = place.version(1)
    place.remembered.keep_desired({"shop": app.model_copy(update={"deleted": True})})
    place.age(2 * DAY)

    place.tidying.tidy((), DAY)

    assert place.there() == set()


def test_components_that_others_brought_into_the_cache_or_still_use_stay(place: Place) -> None:
    place.version(1)
    built = place.cache.add(b"built here")
    place.age(2 * DAY)
    used = place.cache.component(place.cache.add(b"component 1"))  # another host needs it, too

    place.tidying.tidy((), DAY)

    assert place.cache.has(built)
    assert used.exists()


def test_it_is_done_once_an_hour(place: Place) -> None:
    place.version(1)
    place.age(2 * DAY)
    first = place.tidying.now_and_then(())
    place.version(2)
    place.age(2 * DAY)

    assert (first > 0, place.tidying.now_and_then(())) == (True, 0)
