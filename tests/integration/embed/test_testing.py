"""The fixtures for users' own tests."""

from __future__ import annotations

import pytest

import wisp
import wisp.sync
from tests.guests.build import component as built
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


def test_a_fake_implements_a_resource_with_a_class(component: ComponentFactory) -> None:
    class Book:
        def __init__(self, title: str, pages: int) -> None:
            self.pages = pages

        def read(self, pages: int) -> int:
            return self.pages - pages

        title = bound = read

    fake = Fake(Book=Book, find=None, donate=None, titles=[])
    instance = component(built("hosted"), imports={"test:hosted/shelf": fake})

    assert instance["test:hosted/reader"].skim("A", 5) == 0
    assert instance["test:hosted/reader"].find("A") is None
    assert fake.calls == [("find", ("A",))]


def test_all_tests_have_the_same_host(component: ComponentFactory, wisp_host: wisp.sync.Host) -> None:
    instance = component(values(), imports={LOG: Fake(write=1, check=None)})

    with wisp_host.load(values(), imports={LOG: Fake(write=2, check=None)}).instantiate() as other:
        assert [instance[RELAY].write("", 0), other[RELAY].write("", 0)] == [1, 2]


def test_what_a_fake_lacks_is_said(component: ComponentFactory) -> None:
    with pytest.raises(wisp.LinkError, match="no function for `check`"):
        component(values(), imports={LOG: Fake(write=1)})
