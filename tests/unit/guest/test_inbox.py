"""The handler of messages, outside of a component."""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType

import pytest

from wisp_guest import _takes, inbox
from wisp_guest._host import Err


class Told:
    """What the bindings give: the message, and how it came."""

    body, content_type, headers = b'{"id": 7}', "application/json", [("A", "1"), ("a", "2")]
    subject, sequence, attempt, published, id = "orders.new", 9, 2, 1_767_225_600_500, "0" * 32


@pytest.fixture(autouse=True)
def _no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_handlers", [])


def take(module: ModuleType | None = None) -> None:
    consumer = _takes.consumer_class(module or ModuleType("app"))
    consumer().take(Told, Told)


def test_a_handler_is_given_the_message_and_how_it_came() -> None:
    taken: list[inbox.Message] = []
    inbox.handler(taken.append)

    take()

    [message] = taken
    assert (message.subject, message.sequence, message.attempt) == ("orders.new", 9, 2)
    assert message.json() == {"id": 7}
    assert message.text() == '{"id": 7}'
    assert message.headers.get_all("a") == ["1", "2"]
    assert message.published == datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)


def test_what_a_handler_raises_is_told_to_the_host(capsys: pytest.CaptureFixture[str]) -> None:
    @inbox.handler
    def handle(message: inbox.Message) -> None:
        raise ValueError(message.subject)

    with pytest.raises(Err) as caught:
        take()

    assert caught.value.value == "ValueError: orders.new"
    assert "Traceback" in capsys.readouterr().err


def test_a_component_has_one_handler_of_messages() -> None:
    @inbox.handler
    def first(message: inbox.Message) -> None:
        pass

    with pytest.raises(TypeError, match="one handler of messages"):
        inbox.handler(first)


def test_a_module_without_a_handler_is_told_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"decorate a function with @wisp_guest\.inbox\.handler"):
        take(ModuleType("shop"))
