"""What a host remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.records import App, Assignment, Identity, Wishes
from wisp.lattice.running.remembered import Remembered

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'1' * 64}"
ASSIGNMENT = Assignment(lattice="l", number=7, epoch=1, planner="a")


@pytest.fixture
def remembered(tmp_path: Path) -> Remembered:
    return Remembered(tmp_path / "host")


def app(name: str, revision: int) -> App:
    return App(name=name, revision=revision, digest=DIGEST, version="1", wishes=Wishes(), since=0)


def test_a_new_host_remembers_nothing(remembered: Remembered) -> None:
    assert (remembered.identity(), remembered.assignment(), remembered.desired()) == (None, None, {})


def test_what_is_remembered_is_there_again(remembered: Remembered) -> None:
    remembered.keep_identity(Identity(id="x"))
    remembered.keep_assignment(ASSIGNMENT)
    remembered.keep_locked(b"{}")
    again = Remembered(remembered.folder)

    assert again.identity() == Identity(id="x")
    assert again.assignment() == ASSIGNMENT
    assert again.locked(digest_of(b"{}")) == b"{}"
    assert again.token() == remembered.token()


def test_an_assignment_that_is_torn_is_none(remembered: Remembered) -> None:
    remembered.keep_assignment(ASSIGNMENT)
    (remembered.folder / "assignment.json").write_text('{"lattice": "l", "num')

    assert remembered.assignment() is None


def test_a_locked_app_that_was_touched_is_none(remembered: Remembered) -> None:
    remembered.keep_locked(b"{}")
    [file] = (remembered.folder / "locked").iterdir()
    file.write_text("[]")

    assert remembered.locked(digest_of(b"{}")) is None


def test_desired_state_grows_and_is_never_set_back(remembered: Remembered) -> None:
    remembered.keep_desired({"shop": app("shop", 3)})
    remembered.keep_desired({"shop": app("shop", 2), "blog": app("blog", 1)})
    remembered.keep_desired({})

    assert remembered.desired() == {"shop": app("shop", 3), "blog": app("blog", 1)}


def test_a_folder_is_for_one_host_at_a_time(remembered: Remembered) -> None:
    with (
        remembered.held(),
        pytest.raises(LatticeError, match="another host runs"),
        Remembered(remembered.folder).held(),
    ):
        pass

    with remembered.held():
        pass
