"""From what was refused to the lines that grant it."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest.grants import Grants
from wisp.manifest.learn import Denied, learn, merged
from wisp.manifest.toml import write_key


def denied(grant: str, *, component: str = "api", target: str = "it", count: int = 1) -> Denied:
    return Denied(component, "wasi:some/thing", target, grant, count)


def grants(toml: str) -> Grants:
    return Grants.model_validate(tomllib.loads(toml))


def table(text: str, component: str = "api") -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text)["component"][component]["grants"]
    return found


def test_what_was_refused_is_added_to_what_is_granted() -> None:
    granted = grants('http = ["https://a.example"]\nkeyvalue = ["default"]')
    refused = [
        Denied("api", "wasi:http/client", "https://b.example", 'http = ["https://b.example"]', 3),
        Denied("api", "wasi:config/store", "greeting", 'config = { greeting = "..." }', 1, missed=True),
    ]

    assert learn({"api": granted}, refused) == (
        "[component.api.grants]\n"
        "# asked for once, and not there: wasi:config/store for greeting\n"
        "# refused 3 times: wasi:http/client for https://b.example\n"
        'http = ["https://a.example", "https://b.example"]\n'
        'keyvalue = ["default"]\n'
        'config = { greeting = "..." }\n'
    )


def test_each_component_has_a_table_of_its_own_and_one_that_was_refused_nothing_has_none() -> None:
    refused = [
        denied('sqlite = ["b"]', component="two"),
        denied('sqlite = ["a"]', component="one"),
    ]

    text = learn({"one": Grants(), "three": grants('sqlite = ["c"]')}, refused)

    assert list(tomllib.loads(text)["component"]) == ["one", "two"]
    assert learn({"three": Grants()}, []) == ""


def test_a_component_that_is_not_linked_is_told_as_a_link_and_granted_by_no_line() -> None:
    link = '"http://orders.internal" = "orders"'
    refused = Denied("api", "wasi:http/client", "http://orders.internal:80", link, 2, table="link")

    text = learn({"api": grants('keyvalue = ["default"]')}, [refused])

    assert text == (
        "[component.api.grants]\n"
        "# refused 2 times: wasi:http/client for http://orders.internal:80; "
        'add "http://orders.internal" = "orders" to [component.api.link]\n'
        'keyvalue = ["default"]\n'
    )


@pytest.mark.parametrize("key", ["greeting", "API_TOKEN", "a.b c", 'ä"\\', "line\nfeed"])
def test_a_key_that_has_no_value_is_learned_whatever_it_is_called(key: str) -> None:
    asked = Denied(
        "api", "wasi:config/store", key, f'config = {{ {json.dumps(key)} = "..." }}', 1, missed=True
    )

    text = learn({"api": grants('config = { other = "x" }')}, [asked])

    assert table(text)["config"] == {"other": "x", key: "..."}


@pytest.mark.parametrize(
    ("granted", "asked", "whole"),
    [
        ('keyvalue = ["a"]', 'keyvalue = ["a"]', {"keyvalue": ("a",)}),
        (
            'files = [{ source = "data", mount = "/data" }]',
            'files = [{ source = "...", mount = "/data", write = true }]',
            {"files": [{"source": "data", "mount": "/data", "write": True}]},
        ),
        (
            'http = ["https://in.example"]',
            'http = [{ to = "https://in.example", private = true }]',
            {"http": ({"to": "https://in.example", "private": True},)},
        ),
        (
            'config = { token = { secret = "TOKEN" } }',
            'config = { token = "..." }',
            {"config": {"token": {"secret": "TOKEN"}}},
        ),
        ("", 'messaging = ["orders.created"]', {"messaging": ("orders.created",)}),
        (
            'keyvalue = ["a"]',
            'http = ["http://self.alt"]',
            {"keyvalue": ("a",), "http": ("http://self.alt",)},
        ),
        ("", 'sockets = ["udp://dns.example:53"]', {"sockets": ("udp://dns.example:53",)}),
    ],
)
def test_a_grant_is_widened_not_replaced(granted: str, asked: str, whole: dict[str, object]) -> None:
    found = merged(grants(granted), asked)

    assert found == Grants.model_validate(whole)
    assert merged(found, asked) == found


@pytest.mark.parametrize(
    "grant",
    [
        'http = ["javascript:alert(1)"]',
        "nonsense",
        'limits = ["x"]',
        'keyvalue = ["NO NAME"]',
        "",
        'http = "x"\n[secrets]',
    ],
)
def test_what_no_manifest_could_grant_is_told_but_not_granted(grant: str) -> None:
    text = learn({"api": grants('sqlite = ["a"]')}, [denied(grant)])

    if grant:
        assert "# refused once: wasi:some/thing for it; no grant would allow it\n" in text
    assert table(text) == {"sqlite": ["a"]}


@given(st.text(), st.text(), st.integers(1, 5))
def test_whatever_a_guest_asks_for_the_text_is_toml_and_grants_nothing_else(
    target: str, grant: str, count: int
) -> None:
    text = learn({"api": grants('keyvalue = ["own"]')}, [denied(grant, target=target, count=count)])

    assert tomllib.loads(text)["component"].keys() == {"api"}
    assert "own" in table(text)["keyvalue"]
    assert all(character.isprintable() or character == "\n" for character in text)


@given(st.text(min_size=1))
def test_any_key_of_a_configuration_can_be_learned(key: str) -> None:
    text = learn({}, [denied(f'config = {{ {write_key(key)} = "..." }}', target=key)])

    assert table(text).get("config", {}).keys() == ({key} if "\0" not in key else set())
    assert all(character.isprintable() or character == "\n" for character in text)
