"""The messaging trigger in the manifest, and in the locked app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.manifest.load import loads
from wisp.manifest.locked import LockedApp, lock_app

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'a' * 64}"
APP = '[app]\nname = "shop"\n[component.mailer]\nsource = "mailer"\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mailer").mkdir()
    return tmp_path / "wisp.toml"


def test_what_is_not_said_of_a_subscription_is_decided_once(place: Path) -> None:
    text = f'{APP}[[messaging]]\nsubject = "orders.*"\ncomponent = "mailer"\n'

    app = lock_app(loads(text, path=place), {"mailer": DIGEST})

    [one] = app.to_data()["messaging"]
    assert one == {
        "subject": "orders.*",
        "group": "mailer",
        "component": "mailer",
        "ordered": False,
        "attempts": 5,
        "backoff_ms": 1000,
        "most_backoff_ms": 300_000,
        "dead_letter": "dead.mailer",
    }
    assert LockedApp.model_validate(app.to_data()) == app


def test_an_app_that_takes_no_messages_says_nothing_of_them_which_older_hosts_would_refuse(
    place: Path,
) -> None:
    app = lock_app(loads(APP, path=place), {"mailer": DIGEST})

    assert "messaging" not in app.to_data()
    assert json.loads(app.to_json()) == app.to_data()
    assert LockedApp.model_validate(app.to_data()) == app


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('subject = "orders"\ncomponent = "other"', 'there is no component "other"'),
        ('subject = "a..b"\ncomponent = "mailer"', "a..b"),
        ('subject = "a"\ncomponent = "mailer"\ndead_letter = "dead.*"', "a message goes to one subject"),
        ('subject = "a"\ncomponent = "mailer"\nattempts = 0', "attempts"),
        (
            'subject = "a"\ncomponent = "mailer"\nbackoff = "1m"\nmost_backoff = "1s"',
            "`most_backoff` is shorter than `backoff`",
        ),
        (
            'subject = "a"\ncomponent = "mailer"\n[[messaging]]\nsubject = "b"\ncomponent = "mailer"',
            'the group "mailer" has a subscription already',
        ),
    ],
)
def test_a_subscription_that_cannot_be_meant_is_refused(place: Path, lines: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        loads(f"{APP}[[messaging]]\n{lines}\n", path=place)

    assert problem in str(caught.value)


def test_two_groups_may_take_the_same_subject(place: Path) -> None:
    one = '[[messaging]]\nsubject = "a"\ncomponent = "mailer"\n'

    manifest = loads(f'{APP}{one}{one}group = "second"\n', path=place)

    assert [subscription.named for subscription in manifest.messaging] == ["mailer", "second"]
