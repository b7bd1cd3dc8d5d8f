"""The fixtures for users' own tests."""

from __future__ import annotations

import pytest

import wisp
from tests.integration.embed.guest import LOG, RELAY, values
from wisp.testing import ComponentFactory, Fake
from wisp.testing.fixtures import component, wisp_host

__all__ = ["component", "wisp_host"]


def test_a_fake_answers_and_remembers(component: ComponentFactory) -> None:
    fake = Fake(write=lambda line, level: len(line) + level, check=None)

    instance = component(values(), imports={LOG: fake})

    assert instance[RELAY].write("abc", 2) == 5
    assert fake.calls == [("write", ("abc", 2))]


def test_a_fake_raises_what_it_is_given(component: ComponentFactory) -> None:
    fake = Fake(write=1, check=wisp.GuestError("no"))
    instance = component(values(), imports={LOG: fake})

    with pytest.raises(wisp.GuestError, match="no"):
        instance[RELAY].check(instance["test:values/echo"].Packet("a", "b", 1))


def test_what_a_fake_lacks_is_said(component: ComponentFactory) -> None:
    with pytest.raises(wisp.LinkError, match="no function for `check`"):
        component(values(), imports={LOG: Fake(write=1)})
