"""Components as the SDKs of Spin make them: what they import is served from our stores, or says that it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.wire import ask
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first run builds the guests, and compiles them.
pytestmark = pytest.mark.timeout(900)

APP = """
[app]
name = "app"

[[http]]
route = "/2/..."
component = "second"

[[http]]
route = "/3/..."
component = "third"

[component.second]
source = "{second}"
grants.keyvalue = ["default", "older"]
grants.sqlite = ["default"]

[component.second.grants.config]
greeting = "hi"

[component.third]
source = "{third}"
grants.keyvalue = ["default"]
grants.sqlite = ["default"]

[component.third.grants.config]
greeting = "hello"
"""
SAID = "this host has no client for "


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("spin")
    manifest = APP.format(second=component("spin2"), third=component("spin3"))
    (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
    with Host("--workers", "1", folder=folder, variables=environment(cache)) as host:
        yield host


def said(host: Host, target: str) -> Any:
    answer = ask(host.address, "GET", target)
    assert answer.status == 200, answer.text
    return answer.json


def test_key_value_of_spin_2_works_on_our_stores(host: Host) -> None:
    assert said(host, "/2/key-value?default") == [["a", "b"], [*b"one"], None, True, False]
    assert said(host, "/2/key-value?other") == "Error::AccessDenied"
    line = host.line(kind="denial", component="second", target="other")
    assert (line["import"], line["grant"]) == ("fermyon:spin/key-value", 'keyvalue = ["other"]')


def test_key_value_of_spin_1_has_numbers_for_handles(host: Host) -> None:
    expected = [[*b"one"], "Err(Error::NoSuchKey)", ["first"], "Err(Error::InvalidStore)"]

    assert said(host, "/2/key-value-1?older") == expected
    assert said(host, "/2/key-value-1?other") == "Error::AccessDenied"


def test_key_value_of_spin_4_is_asynchronous_and_on_the_same_store(host: Host) -> None:
    said(host, "/2/key-value?default")

    assert said(host, "/3/key-value?default") == [["a"], [*b"one"], False]
    assert said(host, "/3/key-value?other") == "Error::AccessDenied"


def test_sqlite_of_spin_works_on_our_databases(host: Host) -> None:
    columns, row, attached, wrong = said(host, "/2/sqlite?default")

    assert columns == ["a", "b", "c", "d", "e"]
    assert row == ('[Value::Integer(1), Value::Real(0.5), Value::Text("x"), Value::Blob([1]), Value::Null]')
    refused = "no other database may be attached, and VACUUM would do that"
    assert attached == f'Err(Error::Io("{refused}"))'
    assert wrong == 'Err(Error::Io("no such table: absent"))'
    assert said(host, "/2/sqlite?other") == "Error::AccessDenied"
    assert said(host, "/2/sqlite-1?default") == [
        ["one"],
        "[Value::Integer(1)]",
        "Err(Error::InvalidConnection)",
    ]
    assert said(host, "/2/sqlite-3?default") == [2, 2]


def test_sqlite_of_spin_4_streams_its_rows(host: Host) -> None:
    last, changes, rowid, wrong = said(host, "/3/sqlite?default")

    assert last == [["x"], "[[Value::Integer(1)], [Value::Integer(2)]]"]
    assert (changes, rowid) == (2, 2)
    assert wrong == 'Some(Error::Io("no such table: absent"))'
    assert said(host, "/3/sqlite?other") == "Error::AccessDenied"


def test_variables_are_the_configuration_and_errors_are_in_the_words_of_spin(host: Host) -> None:
    undefined = r"no variable for \"second\".\"absent\""
    invalid = r"\"Bad\": invalid character 'B'. Variable names may contain only lower-case letters, numbers, and underscores."
    assert said(host, "/2/variable?greeting") == 'Ok("hi")'
    assert said(host, "/2/variable?absent") == f'Err(Error::Undefined("{undefined}"))'
    assert said(host, "/2/variable?Bad") == f'Err(Error::InvalidName("{invalid}"))'
    assert said(host, "/2/variable-1?greeting") == 'Ok("hi")'
    assert said(host, "/2/variable-1?absent") == f'Err(Error::Provider("{undefined}"))'
    assert said(host, "/2/variable-1?Bad") == f'Err(Error::InvalidKey("{invalid}"))'
    assert said(host, "/3/variable?greeting") == 'Ok("hello")'
    assert (
        said(host, "/3/variable?absent") == f'Err(Error::Undefined("{undefined.replace("second", "third")}"))'
    )


def test_what_needs_a_server_that_is_not_there_says_so_in_its_own_error(host: Host) -> None:
    postgres = f'Error::ConnectionFailed("{SAID}PostgreSQL")'
    assert said(host, "/2/absent") == [
        f'Err(Error::RuntimeError("{SAID}language models"))',
        f'Some(Error::ConnectionFailed("{SAID}MQTT"))',
        f'Some(Error::ConnectionFailed("{SAID}MySQL"))',
        f"Some({postgres})",
        f'Some(Error::Other("{SAID}Redis"))',
        'Err(Error { code: 1, name: "error", message: "" })',
        f"Err({postgres})",
        f"Some({postgres})",
        f"Some({postgres})",
        'Some(HttpError { code: 1, name: "destination-not-allowed", message: "" })',
    ]
    assert said(host, "/3/absent") == [
        f'Some(Error::ConnectionFailed("{SAID}MQTT"))',
        f'Some(Error::ConnectionFailed("{SAID}MySQL"))',
        f"Some({postgres})",
        f'Some(Error::Other("{SAID}Redis"))',
        f"Some({postgres})",
    ]
