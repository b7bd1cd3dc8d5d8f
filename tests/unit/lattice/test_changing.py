"""Changes of the record of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.lattice.commands.changing import Wanted, deployed, gone_back, promoted, scaled
from wisp.lattice.records import App, Wishes

if TYPE_CHECKING:
    from wisp.lattice.plan.versions import StrategyChanges

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")


def wanted(digest: str, strategy: StrategyChanges | None = None) -> Wanted:
    return Wanted("shop", digest[7], digest, {}, strategy or {})


def after(*digests: str) -> App:
    """Return the record after these were deployed."""
    app: App | None = None
    for digest in digests:
        app = deployed(app, wanted(digest), 5)
    assert app is not None
    return app


def test_a_deployment_is_remembered_once_for_each_version() -> None:
    app = scaled(after(ONE, ONE, TWO), {"replicas": 3})

    assert (app.revision, app.wishes.replicas, app.since) == (4, 3, 5)
    assert [(one.revision, one.version) for one in app.history] == [(1, "1"), (3, "2")]


def test_what_is_not_said_of_a_change_stays_but_a_canary() -> None:
    app = deployed(after(ONE), wanted(TWO, {"canary": 10, "surge": 3, "keep": 5}), 6)

    next_one = deployed(app, wanted(THREE), 7)

    assert (app.strategy.canary, app.strategy.surge) == (10, 3)
    assert (next_one.strategy.canary, next_one.strategy.surge, next_one.strategy.keep) == (None, 3, 5)


def test_a_canary_needs_another_version() -> None:
    with pytest.raises(LatticeError, match="no earlier version of shop"):
        deployed(None, wanted(ONE, {"canary": 10}), 5)
    with pytest.raises(LatticeError, match="shop is this version already"):
        deployed(after(ONE), wanted(ONE, {"canary": 10}), 5)


def test_the_share_of_a_canary_can_be_changed() -> None:
    app = deployed(after(ONE), wanted(TWO, {"canary": 10}), 5)

    assert deployed(app, wanted(TWO, {"canary": 50}), 6).strategy.canary == 50


def test_a_canary_is_promoted_once() -> None:
    app = promoted(deployed(after(ONE), wanted(TWO, {"canary": 10}), 5))

    assert (app.revision, app.digest, app.strategy.canary) == (3, TWO, None)
    with pytest.raises(LatticeError, match="shop has no canary"):
        promoted(app)


def test_going_back_leads_to_the_last_other_version_that_was_not_taken_back() -> None:
    app = after(ONE, TWO, THREE)
    marked = app.model_copy(
        update={
            "history": tuple(one.model_copy(update={"withdrawn": one.digest == TWO}) for one in app.history)
        }
    )

    assert gone_back(app, (), None, 9).digest == TWO
    assert gone_back(marked, (), None, 9).digest == ONE
    assert gone_back(app, (), 1, 9).history[-1].why == "gone back to the version of revision 1"


def test_going_back_to_a_revision_that_only_scaled_leads_to_its_version() -> None:
    app = deployed(scaled(after(ONE), {"replicas": 2}), wanted(TWO), 6)

    assert gone_back(app, (), 2, 9).digest == ONE


def test_only_so_many_versions_are_kept() -> None:
    app = deployed(after(ONE, TWO), wanted(THREE, {"keep": 2}), 6)

    assert [one.digest for one in app.history] == [TWO, THREE]
    with pytest.raises(LatticeError, match="no revision 1 of shop") as raised:
        gone_back(app, (), 1, 9)
    assert raised.value.hint == "it has the versions of the revisions 2, 3; the last 2 are kept"


def test_the_versions_of_an_app_that_an_earlier_wisp_deployed_are_those_of_its_records() -> None:
    records = [
        App(name="shop", revision=number, digest=digest, version="1", wishes=Wishes(), since=5)
        for number, digest in ((1, ONE), (2, ONE), (3, TWO))
    ]

    assert gone_back(records[-1], records, None, 9).digest == ONE
    assert [one.revision for one in deployed(records[-1], wanted(THREE), 9).history] == [3, 4]


def test_an_app_that_was_deleted_begins_anew() -> None:
    gone = after(ONE, TWO).model_copy(update={"deleted": True, "revision": 3})

    app = deployed(gone, wanted(THREE), 9)

    assert (app.revision, app.since, len(app.history)) == (4, 9, 1)
